"""The tax authority's national distribution of NF-e (NT 2014.002) and a state's service status.

Written from the published schemas, WSDLs and the technical note; state lives in the process.
"""

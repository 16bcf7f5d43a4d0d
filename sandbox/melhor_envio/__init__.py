"""The Melhor Envio, API v2, for tests: `python -m sandbox.melhor_envio`.

Written from https://docs.melhorenvio.com.br. A process without disk: wallet, cart, labels, tokens that are
renewed once each, 250 calls a minute for the user, a User-Agent with an e-mail address on every call.

Where the documentation is silent it does what makes a caller's life hardest: `status` stays `released` after
a label was generated, tags cannot be searched for, the cart takes the same again, prices are text in quotes
and numbers in labels, a refused service of a quote is an element without price, moments have no zone.
"""

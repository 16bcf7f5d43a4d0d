"""Stand-in for an OpenID provider, after OpenID Connect Core 1.0, Discovery 1.0, RFC 7636 and RFC 9207.

https://openid.net/specs/openid-connect-core-1_0.html
"""

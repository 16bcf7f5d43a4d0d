"""A SkyHub account of the Americanas Marketplace, written from its documentation:
https://desenvolvedores.skyhub.com.br and, for `classic` accounts, https://skyhub.gelato.io/docs/versions/1.1
"""

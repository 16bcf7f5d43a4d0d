"""A WooCommerce stand-in: `python -m sandbox.woocommerce --port 0 --products 1000`.

Written from https://woocommerce.github.io/woocommerce-rest-api-docs/ and from exchanges recorded on a running
WooCommerce 10.5.0; where the two differ, the running shop is right.
"""

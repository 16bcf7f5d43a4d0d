"""A seller's account at Mercado Livre Brasil: the parts of the API that a connected ERP uses.

Written from the official pages of developers.mercadolivre.com.br (authentication, items, user products, stock
by warehouse, orders, billing data, NF-e import, notifications; 2024 to 2026). Where they give no figure (rate
limits) or no shape (the error of a scroll that has ended), the switches say what is tried.
"""

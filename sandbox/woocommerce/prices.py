"""Prices as the shop stores, shows and understands them."""

import re

_SPAN = '<span class="woocommerce-Price-amount amount"{hidden}><bdi>{inner}</bdi></span>'
_INNER = '<span class="woocommerce-Price-currencySymbol">&#82;&#36;</span>&nbsp;{amount}'
_HIDDEN = ' aria-hidden="true"'


def understood(written: object) -> str:
    """`wc_format_decimal`: `1.234,56` is 1234.56, `abc` is nothing."""
    text = re.sub(r"\.(?![^.]+$)|[^0-9.-]", "", str(written).replace(",", "."))
    return text if re.search(r"\d", text) else ""


def shown(price: str) -> str:
    """`1.234,56`."""
    return f"{float(price):,.2f}".translate(str.maketrans(",.", ".,"))


def html(price: str, regular: str = "") -> str:
    if not price:
        return ""
    now = _span(price)
    if not regular or regular == price:
        return now
    return (
        f'<del aria-hidden="true">{_span(regular)}</del> '
        f'<span class="screen-reader-text">Original price was: &#082;&#036;&nbsp;{shown(regular)}.</span>'
        f'<ins aria-hidden="true">{now}</ins>'
        f'<span class="screen-reader-text">Current price is: &#082;&#036;&nbsp;{shown(price)}.</span>'
    )


def html_range(low: str, high: str) -> str:
    if low == high:
        return _span(low)
    return (
        f'{_span(low, _HIDDEN)} <span aria-hidden="true">&ndash;</span> {_span(high, _HIDDEN)}'
        f'<span class="screen-reader-text">Price range: &#82;&#36;&nbsp;{shown(low)} through'
        f" &#82;&#36;&nbsp;{shown(high)}</span>"
    )


def _span(price: str, hidden: str = "") -> str:
    return _SPAN.format(hidden=hidden, inner=_INNER.format(amount=shown(price)))

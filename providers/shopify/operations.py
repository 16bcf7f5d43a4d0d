"""Every GraphQL document that is sent, for version 2026-04 of the Admin API.

Page sizes keep one query below 1,000 points: a connection costs its size times what is inside.
"""

import json

PRODUCTS_A_CALL, VARIANTS_A_PAGE = 5, 20
ORDERS_A_CALL, LINES_A_PAGE = 4, 25
MANY = 50

_REFERENCE = 'reference: metafield(namespace: "cloudtosys", key: "ref") { value }'
_MORE = "pageInfo { hasNextPage endCursor }"
_SUM = "{ shopMoney { amount } }"

_PRODUCT = f"id title status descriptionHtml updatedAt hasOnlyDefaultVariant {_REFERENCE}"
_VARIANT = (
    "id sku barcode price compareAtPrice updatedAt position selectedOptions { name value }"
    " inventoryItem { id measurement { weight { value unit } } }"
)
_GROUP = "id ruleSet { appliedDisjunctively }"
_MEDIUM = "id mediaContentType preview { image { url } }"
_LEVEL = (
    "id sku updatedAt product { id hasOnlyDefaultVariant } inventoryItem { id tracked"
    " inventoryLevel(locationId: %s) { id updatedAt quantities(names: [%s]) { name quantity } } }"
)
_ADDRESS = "id name company address1 address2 city provinceCode zip countryCodeV2"
_CUSTOMER = (
    "id firstName lastName displayName updatedAt defaultEmailAddress { emailAddress }"
    f" defaultPhoneNumber {{ phoneNumber }} defaultAddress {{ id }} {_REFERENCE}"
    ' document: metafield(namespace: "cloudtosys", key: "document") { value }'
)
_COLLECTION = f"id title handle descriptionHtml updatedAt {_REFERENCE}"
_LINE = (
    "id name sku quantity currentQuantity variant { id } product { id hasOnlyDefaultVariant }"
    f" originalUnitPriceSet {_SUM} discountedTotalSet {_SUM}"
)
_TAX_ID = "key value"
_ORDER = (
    "id name createdAt processedAt updatedAt cancelledAt closedAt displayFinancialStatus"
    " displayFulfillmentStatus currencyCode note email phone taxesIncluded paymentGatewayNames"
    " customer { id } shippingLine { title }"
    f" totalPriceSet {_SUM} currentTotalPriceSet {_SUM} totalDiscountsSet {_SUM}"
    f" currentTotalDiscountsSet {_SUM} totalShippingPriceSet {_SUM} currentShippingPriceSet {_SUM}"
    f" totalTaxSet {_SUM} currentTotalTaxSet {_SUM}"
    f" billingAddress {{ {_ADDRESS} phone }} shippingAddress {{ {_ADDRESS} phone }}"
)
NESTED = {
    "products": {"variants": _VARIANT, "collections": _GROUP, "media": _MEDIUM},
    "orders": {"lineItems": _LINE, "localizedFields": _TAX_ID},
    "customers": {"addressesV2": _ADDRESS},
    "collections": {},
    "productVariants": {},
}
_SIZES = {
    "variants": VARIANTS_A_PAGE,
    "collections": 10,
    "media": 10,
    "lineItems": LINES_A_PAGE,
    "localizedFields": 5,
    "addressesV2": 10,
}
_OWN = {
    "products": _PRODUCT,
    "orders": _ORDER,
    "customers": _CUSTOMER,
    "collections": _COLLECTION,
    "productVariants": _LEVEL,
}
TYPES = {
    "products": "Product",
    "orders": "Order",
    "customers": "Customer",
    "collections": "Collection",
}


def _paged(name: str) -> str:
    inner = [
        f"{part}(first: {_SIZES[part]}) {{ {_MORE} nodes {{ {fields} }} }}"
        for part, fields in NESTED[name].items()
    ]
    return " ".join([_OWN[name], *inner])


LISTS = {
    name: (
        f"query List($first: Int!, $after: String, $query: String) {{ {name}(first: $first, after: $after,"
        f" sortKey: UPDATED_AT, query: $query) {{ {_MORE} nodes {{ {_paged(name)} }} }} }}"
    )
    for name in TYPES
}
COUNTS = {
    name: f"query Count($query: String) {{ {name}Count(query: $query, limit: 10000) {{ count }} }}"
    for name in TYPES
}
BY_IDS = {
    name: f"query ByIds($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {type_} {{ {_paged(name)} }} }} }}"
    for name, type_ in TYPES.items()
}
_PARTS = {"variants": "products", "collections": "products", "media": "products", "lineItems": "orders"}
REST = {
    part: (
        f"query Rest($id: ID!, $after: String) {{ node(id: $id) {{ ... on {TYPES[name]} {{"
        f" {part}(first: 100, after: $after) {{ {_MORE} nodes {{ {NESTED[name][part]} }} }} }} }} }}"
    )
    for part, name in _PARTS.items()
}
"""The following pages of a nested list."""


def bulk(name: str, query: str = "") -> str:
    """The query of a bulk operation: every page of every list, as lines of JSON."""
    inner = [f"{part} {{ edges {{ node {{ {fields} }} }} }}" for part, fields in NESTED[name].items()]
    asked = f"(query: {json.dumps(query)})" if query else ""
    return f"{{ {name}{asked} {{ edges {{ node {{ {' '.join([_OWN[name], *inner])} }} }} }} }}"


def bulk_stock(location: str, quantity: str) -> str:
    fields = _LEVEL % (json.dumps(location), json.dumps(quantity))
    return f"{{ productVariants {{ edges {{ node {{ {fields} }} }} }} }}"


STOCK_BY_IDS = (
    "query StockByIds($ids: [ID!]!, $location: ID!, $quantity: String!) { nodes(ids: $ids) {"
    f" ... on ProductVariant {{ {_LEVEL % ('$location', '$quantity')} }}"
    " ... on Product { id hasOnlyDefaultVariant variants(first: 1) { nodes {"
    f" {_LEVEL % ('$location', '$quantity')} }} }} }} }} }}"
)
RUN_BULK = (
    "mutation RunBulk($query: String!) { bulkOperationRunQuery(query: $query, groupObjects: true) {"
    " bulkOperation { id status } userErrors { code field message } } }"
)
BULK = "query Bulk($id: ID!) { bulkOperation(id: $id) { id status errorCode rootObjectCount url } }"
LOCATIONS = "query Locations { locations(first: 3) { nodes { id name } } }"
PROBE = (
    "query Probe { shop { id name myshopifyDomain currencyCode ianaTimezone }"
    " currentAppInstallation { accessScopes { handle } } }"
)

DEFINE = (
    "mutation Define($definition: MetafieldDefinitionInput!) {"
    " metafieldDefinitionCreate(definition: $definition) {"
    " createdDefinition { id } userErrors { code field message } } }"
)
SET_PRODUCT = (
    "mutation SetProduct($input: ProductSetInput!, $identifier: ProductSetIdentifiers) {"
    " productSet(input: $input, identifier: $identifier, synchronous: true) {"
    " product { id } userErrors { code field message } } }"
)
UPDATE_PRODUCT = (
    "mutation UpdateProduct($id: ID!, $product: ProductUpdateInput!, $variants: [ProductVariantsBulkInput!]!,"
    " $new: [ProductVariantsBulkInput!]!, $itself: Boolean!, $some: Boolean!, $more: Boolean!) {"
    " productUpdate(product: $product) @include(if: $itself) { userErrors { field message } }"
    " productVariantsBulkUpdate(productId: $id, variants: $variants) @include(if: $some) {"
    " userErrors { code field message } }"
    " productVariantsBulkCreate(productId: $id, variants: $new) @include(if: $more) {"
    " userErrors { code field message } } }"
)
VARIANTS_BY_SKU = (
    "query VariantsBySku($query: String!) { productVariants(first: 250, query: $query) {"
    " nodes { id sku product { id } } } }"
)
SET_QUANTITIES = (
    "mutation SetQuantities($input: InventorySetQuantitiesInput!, $key: String!) {"
    " inventorySetQuantities(input: $input) @idempotent(key: $key) {"
    " inventoryAdjustmentGroup { id } userErrors { code field message } } }"
)
ACTIVATE = (
    "mutation Activate($item: ID!, $location: ID!, $key: String!) {"
    " inventoryActivate(inventoryItemId: $item, locationId: $location) @idempotent(key: $key) {"
    " inventoryLevel { id } userErrors { field message } } }"
)
TRACK = (
    "mutation Track($item: ID!) { inventoryItemUpdate(id: $item, input: { tracked: true }) {"
    " inventoryItem { id } userErrors { field message } } }"
)
CREATE_COLLECTION = (
    "mutation CreateCollection($input: CollectionInput!) { collectionCreate(input: $input) {"
    " collection { id } userErrors { field message } } }"
)
UPDATE_COLLECTION = (
    "mutation UpdateCollection($input: CollectionInput!) { collectionUpdate(input: $input) {"
    " collection { id } userErrors { field message } } }"
)
CREATE_CUSTOMER = (
    "mutation CreateCustomer($input: CustomerInput!) { customerCreate(input: $input) {"
    " customer { id } userErrors { field message } } }"
)
UPDATE_CUSTOMER = (
    "mutation UpdateCustomer($input: CustomerInput!) { customerUpdate(input: $input) {"
    " customer { id } userErrors { field message } } }"
)
CREATE_ADDRESS = (
    "mutation CreateAddress($customer: ID!, $address: MailingAddressInput!, $default: Boolean!) {"
    " customerAddressCreate(customerId: $customer, address: $address, setAsDefault: $default) {"
    " address { id } userErrors { field message } } }"
)
UPDATE_ADDRESS = (
    "mutation UpdateAddress($customer: ID!, $id: ID!, $address: MailingAddressInput!) {"
    " customerAddressUpdate(customerId: $customer, addressId: $id, address: $address) {"
    " address { id } userErrors { field message } } }"
)
STEPS = (
    "query Steps($id: ID!) { order(id: $id) { id cancelledAt canMarkAsPaid displayFinancialStatus"
    " displayFulfillmentStatus fulfillmentOrders(first: 20) { nodes { id status } } } }"
)
PAY = (
    "mutation Pay($id: ID!) { orderMarkAsPaid(input: { id: $id }) {"
    " order { id } userErrors { field message } } }"
)
FULFIL = (
    "mutation Fulfil($fulfillment: FulfillmentInput!) { fulfillmentCreate(fulfillment: $fulfillment) {"
    " fulfillment { id } userErrors { field message } } }"
)
CANCEL = (
    "mutation Cancel($id: ID!) { orderCancel(orderId: $id, reason: OTHER, restock: true,"
    " notifyCustomer: false) { job { id } orderCancelUserErrors { code field message } } }"
)


def documents() -> dict[str, str]:
    """All of them by name, so that they can be held against the schema."""
    single = {name: text for name, text in globals().items() if name.isupper() and isinstance(text, str)}
    grouped = {"LISTS": LISTS, "COUNTS": COUNTS, "BY_IDS": BY_IDS, "REST": REST}
    found = {name: text for name, text in single.items() if not name.startswith("_")}
    found |= {f"{group}.{name}": text for group, texts in grouped.items() for name, text in texts.items()}
    found |= {f"bulk.{name}": bulk(name, "updated_at:>='2026-04-20T00:00:00Z'") for name in TYPES}
    return found | {"bulk.stock": bulk_stock("gid://shopify/Location/1", "available")}

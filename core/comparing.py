"""What an export writes of a linked record: the fields in which the external side is behind."""

from uuid import UUID

import msgspec

from core import merging
from core.batch import Job
from core.hashing import canonical
from core.merging import chooser, merge
from core.outgoing import Item, Outbatch
from core.records import Product, Record
from core.sides import Clash, Linked, Synced
from core.spec import Raw
from core.trees import Tree, differing, encoded, part_key, rebuilt, tree, tree_hash


def decide(job: Job, batch: Outbatch, item: Item, seen: Record | None, version: str | None) -> None:
    """`seen` is the external side now, or as last seen; without it everything is written."""
    link, fields = item.link, job.writing.fields
    assert link is not None  # noqa: S101
    item.external_id, item.revision = link.external_id, version
    if seen is None:
        item.fields = fields
        item.target = msgspec.structs.replace(item.row.record, external_id=link.external_id)
        batch.items.append(item)
        return
    item.seen, external = seen, tree(seen, fields)
    target = _merged(job, batch, item, seen, external) if job.two_way else _wanted(item, link, external)
    if target is None:
        return
    item.fields, item.target = differing(target, external), rebuilt(seen, target)
    if item.fields:
        batch.items.append(item)
    else:
        batch.synced.append(_agreed(job, item, link, external))


def snapshot(item: Item) -> Record:
    """The external side when both were last in step, or where they never were, as it is seen now."""
    link = item.link
    if link is None or link.external is None:
        assert item.seen is not None  # noqa: S101
        return item.seen
    return msgspec.json.decode(link.external, type=type(item.row.record))


def without_news(job: Job, item: Item, found: Record) -> Record:
    """A record that is linked just now, its `given` fields as the ERP has them: an import sees them as
    changes."""
    ours = {name: getattr(item.row.record, name) for name in job.writing.given}
    return msgspec.structs.replace(found, **ours)


def newest(item: Item, seen: Record) -> Record:
    """The external side as it is known best: an answer may come from a cache."""
    known = snapshot(item) if item.link and item.link.external else None
    if known is None or known.updated_at is None or seen.updated_at is None:
        return seen
    return known if seen.updated_at < known.updated_at else seen


def variants(item: Item, record: Record) -> list[tuple[str, UUID]]:
    """External and internal ids of the variants that both sides have, told apart by SKU."""
    if not isinstance(record, Product):
        return []
    found = {part_key(msgspec.to_builtins(variant)): variant.external_id for variant in record.variants}
    return [(found[key], id_) for key, id_ in item.row.variants.items() if found.get(key)]


def revision(job: Job, raw: Raw) -> str | None:
    return job.resource.revision(raw) if job.resource.revision else None


def _merged(job: Job, batch: Outbatch, item: Item, seen: Record, external: Tree) -> Tree | None:
    """What the external side of a two-way pair should hold; None where nothing may be written now."""
    link, fields = item.link, job.writing.fields
    assert link is not None  # noqa: S101
    base = base_of(item.row.record, link, fields)
    before = tree(snapshot(item), fields) if link.external is not None else None
    choose = chooser(job.policy, item.row.updated_at, seen.updated_at)
    merged = merge(base, before, item.tree, external, choose)
    if merged.conflicts:
        batch.clashes.append(_clash(item, link, base, before, external, merged.conflicts))
        return None
    if before is None and merged.erp != item.tree:
        # What is linked for the first time and partly the external system's is brought in by the import.
        batch.skipped += 1
        return None
    return merged.external


def _wanted(item: Item, link: Linked, external: Tree) -> Tree:
    """What the external side should hold when the ERP rules: its own fields but for those that the ERP
    changed since; all of them on the first time."""
    base = base_of(item.row.record, link, frozenset(item.tree))
    if base is None:
        return item.tree
    changed = differing(item.tree, base)
    return {name: item.tree[name] if name in changed else external[name] for name in external}


def base_of(record: Record, link: Linked, fields: frozenset[str]) -> Tree | None:
    """The ERP's side when both were last in step. A pair that only imported has none of its own: then the
    ERP held what the external system had."""
    if link.erp is not None:
        base: Tree = msgspec.json.decode(link.erp)
        return base
    if link.external is None:
        return None
    return tree(msgspec.json.decode(link.external, type=type(record)), fields)


def _clash(
    item: Item, link: Linked, base: Tree | None, before: Tree | None, external: Tree, paths: tuple[str, ...]
) -> Clash:
    return Clash(
        mapping_id=link.mapping_id,
        internal_id=link.internal_id,
        external_id=link.external_id,
        base_erp=encoded(base) if base is not None else None,
        base_external=encoded(before) if before is not None else None,
        erp=encoded(item.tree),
        external=encoded(external),
        paths=paths,
        new=link.state == "new",
    )


def _agreed(job: Job, item: Item, link: Linked, external: Tree) -> Synced:
    """Nothing to write: both sides hold the same already, or what differs is not the ERP's doing."""
    assert item.seen is not None  # noqa: S101
    base, theirs = item.tree, external
    if job.two_way:
        base, theirs = merging.rebased(sides(item, link, job.writing.fields, external, external))
    before = snapshot(item)
    if link.external is None:
        before = without_news(job, item, before)
    unmoved = theirs == tree(before, job.writing.fields)
    return Synced(
        mapping_id=link.mapping_id,
        internal_id=link.internal_id,
        external_id=link.external_id,
        external=canonical(rebuilt(before, theirs)),
        external_hash=link.external_hash if unmoved else None,
        erp=encoded(base),
        internal_hash=tree_hash(base, job.writing.version),
        version=item.revision,
        updated_at=item.seen.updated_at,
        incomplete=item.row.missing or base != item.tree,
        variants=variants(item, item.seen),
        counted="skipped",
    )


def sides(item: Item, link: Linked, fields: frozenset[str], target: Tree, after: Tree) -> merging.Sides:
    """Around a write of a two-way pair. Linked for the first time, they are in step as they were seen."""
    assert item.seen is not None  # noqa: S101
    seen = tree(item.seen, fields)
    base = base_of(item.row.record, link, fields)
    return merging.Sides(
        base_erp=item.tree if base is None else base,
        base_external=tree(snapshot(item), fields),
        erp=item.tree,
        seen=seen,
        target=target,
        after=after,
    )

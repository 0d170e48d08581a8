"""A generation that a person names, published: a draft that was refused, one that was taken back, or an import."""

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import PublishRefused
from xtr_assets.pipeline.gate.foreign_generation import losses_here
from xtr_assets.pipeline.gate.registry import requirement
from xtr_assets.pipeline.plan.decide import refuse_if_set_otherwise
from xtr_assets.search.loaders import check_profile
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.refusal import force_line
from xtr_assets.storage.warehouse import Warehouse


def publish_chosen(
    warehouse: Warehouse,
    number: int,
    config: IndexConfig | None,
    *,
    force_reason: str | None = None,
    again_reason: str | None = None,
    who: str | None = None,
) -> Generation:
    """`Warehouse.publish` of a generation that somebody names.

    PublishRefused, unless it is forced, where this release cannot search it, where an import lost too much beside what
    serves, and where the configuration of a draft changed since it was begun. config : None where nobody has it.
    """
    if force_reason is None:
        chosen = warehouse.generation(number)
        check_profile(chosen)
        if lost := losses_here(warehouse, number, config):
            raise PublishRefused(
                f"generation {number} was imported and is not published: beside what serves here it lost too much: "
                f"{'; '.join(lost)}; import one of this corpus, or {force_line(number)}"
            )
        if config is not None and not chosen.sealed:
            refuse_if_set_otherwise(chosen, config)
    return warehouse.publish(
        number,
        required=None if config is None else requirement(config),
        force_reason=force_reason,
        again_reason=again_reason,
        who=who,
    )

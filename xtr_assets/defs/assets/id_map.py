"""`id_map`: row by row, which chunk it is."""

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.metadata import cost_metadata
from xtr_assets.storage.id_map import ID_MAP_NAME, write_id_map

Result = dg.MaterializeResult[None]


def id_map_asset(site: Site) -> dg.AssetsDefinition:
    """`id_map`: row by row, which chunk it is."""

    @site.asset(
        "id_map",
        {"parquet"},
        "Every stored row: chunk_id, segment, position, and whether it is live.",
        deps=["generation"],
    )
    def id_map(context: dg.AssetExecutionContext) -> Result:
        with site.step(context, "id_map", "id map") as (session, cost):
            draft = session.draft
            table = write_id_map(draft)
            written = draft.manifest.files[draft.file_name(ID_MAP_NAME)]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(written.sha256[:32]),
            metadata={"dagster/row_count": len(table), "generation": draft.number, **cost_metadata(cost)},
        )

    return id_map

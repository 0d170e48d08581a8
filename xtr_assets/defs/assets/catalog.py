"""`catalog`: a DuckDB file of views over the Parquet files."""

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.metadata import cost_metadata
from xtr_assets.pipeline.plan.decide import data_version
from xtr_assets.storage.catalog import CATALOG_NAME, VIEWS, write_catalog

Result = dg.MaterializeResult[None]


def catalog_asset(site: Site) -> dg.AssetsDefinition:
    """`catalog`: a DuckDB file of views over the Parquet files."""

    @site.asset(
        "catalog",
        {"duckdb"},
        "A read-only DuckDB file with views over chunks, id map, files, segments and quarantine.",
        deps=["id_map"],
    )
    def catalog(context: dg.AssetExecutionContext) -> Result:
        with site.step(context, "catalog", "catalog") as (session, cost):
            draft = session.draft
            write_catalog(draft)
        return dg.MaterializeResult(
            # DuckDB writes times into its files: what the views say depends on the generation alone.
            data_version=dg.DataVersion(data_version(draft)),
            metadata={
                "generation": draft.number,
                "views": dg.MetadataValue.json(VIEWS),
                "open": f"duckdb -readonly generations/{draft.number}/{CATALOG_NAME}  (standing in the warehouse)",
                **cost_metadata(cost),
            },
        )

    return catalog

"""Per shard: `chunks`, and `embeddings` with `token_embeddings` from one pass of the encoder."""

from collections.abc import Iterator

import dagster as dg

from xtr_assets.core.errors import GenerationError
from xtr_assets.defs.context import Site
from xtr_assets.defs.metadata import cost_metadata, problem_metadata, quarantine_metadata
from xtr_assets.defs.partitions import shard_partitions
from xtr_assets.pipeline.costs import step
from xtr_assets.pipeline.gate.schemas import Problem
from xtr_assets.pipeline.gate.validity import embedding_problems, segment_chunk_problems, token_problems
from xtr_assets.pipeline.ingest.encode import encode_snapshot, missing_encodings
from xtr_assets.pipeline.ingest.scan import scan_shard, source_of, write_chunks
from xtr_assets.telemetry import metrics
from xtr_assets.telemetry.progress import bar

Results = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]


def chunks_asset(site: Site) -> dg.AssetsDefinition:
    """`chunks` with its check `chunks_schema`."""
    key = site.names.key("chunks")
    schema = dg.AssetCheckSpec(
        "chunks_schema",
        asset=key,
        blocking=True,
        description="The rows of the new segment hold to the schema: types, ranges, ids that differ, true text hashes.",
    )

    @site.asset(
        "chunks",
        "corpus",
        {"parquet"},
        "The pieces of a shard's files. Only touched files are chunked; what did not change stays.",
        partitions=shard_partitions(site.names),
        checks=[schema],
    )
    def chunks(context: dg.AssetExecutionContext) -> Results:
        shard = context.partition_key
        with site.writing(context, f"chunks of {shard}") as warehouse, step("chunks") as cost:
            scan = scan_shard(warehouse, shard, source_of(site.config, shard))
            touched = scan.readable if site.afresh(context) else scan.touched
            with bar(len(touched), f"chunk {shard}") as progress:
                change = write_chunks(warehouse, scan, touched, progress)
            counts = {"added": change.added, "changed": change.changed, "deleted": change.deleted, "kept": change.kept}
            made = change.new_segment
            size = 0 if made is None else sum(one.stat().st_size for one in made.directory.iterdir() if one.is_file())
            cost.count(files=len(scan.files), files_touched=len(touched), bytes=size, **counts)
        snapshot = change.snapshot
        metrics.QUARANTINED.labels(shard).set(len(snapshot.quarantine))
        for entry in snapshot.quarantine[:10]:
            context.log.warning(f"{entry.path}:{entry.line} is left out ({entry.reason}): {entry.detail}")
        yield dg.MaterializeResult(
            asset_key=key,
            data_version=dg.DataVersion(snapshot.data_version),
            metadata={
                "dagster/partition_row_count": snapshot.live_rows,
                "reason": scan.reason or "nothing changed",
                "segments": len(snapshot.segments),
                **cost_metadata(cost),
                **quarantine_metadata(snapshot.quarantine),
            },
        )
        problems = [] if change.new_segment is None else segment_chunk_problems(change.new_segment)
        yield _verdict("chunks_schema", key, problems)

    return chunks


def encoding_assets(site: Site) -> dg.AssetsDefinition:
    """`embeddings` and `token_embeddings` with their checks."""
    embeddings, tokens = site.names.keys(("embeddings", "token_embeddings"))
    group = site.group("corpus")
    chunks = site.names.key("chunks")
    specs = [
        dg.AssetSpec(
            embeddings,
            deps=[chunks],
            group_name=group,
            kinds={"numpy"},
            description="One unit vector a chunk, float16.",
        ),
        dg.AssetSpec(
            tokens,
            deps=[chunks],
            group_name=group,
            kinds={"numpy"},
            description="One unit vector a kept token, int8 with a scale, and what the tokenizer called it.",
        ),
    ]
    checks = [
        dg.AssetCheckSpec("embeddings_valid", asset=embeddings, blocking=True, description="Finite, of unit length."),
        dg.AssetCheckSpec(
            "tokens_valid", asset=tokens, blocking=True, description="Offsets ascend, scales above zero."
        ),
    ]

    @dg.multi_asset(
        name=site.names.step("encode"),
        specs=specs,
        check_specs=checks,
        partitions_def=shard_partitions(site.names),
        required_resource_keys=site.needs_encoder,
    )
    def encode(context: dg.AssetExecutionContext) -> Results:
        shard = context.partition_key
        warehouse, encoder = site.warehouse(context), site.encoder(context)
        snapshot = warehouse.snapshot(shard)
        if snapshot is None:
            raise GenerationError(f"shard {shard!r} was never chunked; materialize `chunks` of it first")
        segments = missing_encodings(warehouse, snapshot, encoder.fingerprint)
        with step("encode") as cost, bar(sum(s.rows for s in segments), f"encode {shard}") as progress:
            report = encode_snapshot(warehouse, snapshot, encoder, progress)
            cost.count(
                rows=report.rows,
                encoded=report.encoded,
                resumed=report.resumed,
                reused=report.reused,
                windowed=report.windowed,
                tokens=report.tokens,
                bytes=report.bytes,
            )
        version = dg.DataVersion(f"{snapshot.data_version}-{encoder.fingerprint[:16]}")
        metadata = {
            "dagster/partition_row_count": snapshot.live_rows,
            "encoder": encoder.name,
            "fingerprint": encoder.fingerprint,
            **cost_metadata(cost),
        }
        yield dg.MaterializeResult(asset_key=embeddings, data_version=version, metadata=metadata)
        yield dg.MaterializeResult(asset_key=tokens, data_version=version, metadata=metadata)
        fingerprint = encoder.fingerprint
        found = [problem for segment in segments for problem in embedding_problems(segment, fingerprint)]
        yield _verdict("embeddings_valid", embeddings, found)
        found = [problem for segment in segments for problem in token_problems(segment, fingerprint)]
        yield _verdict("tokens_valid", tokens, found)

    return encode


def _verdict(name: str, key: dg.AssetKey, problems: list[Problem]) -> dg.AssetCheckResult:
    metrics.count_check(name, not problems)
    return dg.AssetCheckResult(check_name=name, asset_key=key, passed=not problems, metadata=problem_metadata(problems))

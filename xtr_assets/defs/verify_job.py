"""`verify`: every byte of what serves against its record, every night. Damage fails the run, which tells everybody."""

import dagster as dg

from xtr_assets.core.errors import GenerationError
from xtr_assets.defs.context import EXECUTOR, NO_RETRY, Site
from xtr_assets.telemetry import metrics

# Damaged files named in the failure: who reads it looks at the first ones; `xtr-assets verify` lists all.
SHOWN = 20


def verify_job(site: Site) -> dg.JobDefinition:
    """The job; `run_failure` watches it like any other."""

    @dg.op(name=site.names.named("read_every_byte"), required_resource_keys=site.needs_warehouse)
    def read_every_byte(context: dg.OpExecutionContext) -> None:
        warehouse = site.warehouse(context)
        published = warehouse.published
        if published is None:
            # A pointer that went lost says the same; the history tells the two apart.
            if lost := warehouse.verify(full=False).problems:
                raise dg.Failure(f"nothing serves, and that is not how it was left: {lost[0]}", allow_retries=False)
            context.log.warning("nothing is published yet: nothing was verified")
            return
        try:
            # Nobody collects it while it is read, though another one may be published meanwhile.
            with published.pin():
                report = warehouse.verify(published.number)
        except GenerationError as error:
            context.log.info(f"{error}; the next night verifies what serves then")
            return
        metrics.DAMAGED_FILES.labels(warehouse.root.name).set(len(report.problems))
        counts = {"generation": published.number, "files": report.files, "bytes": report.bytes}
        if report.problems:
            raise dg.Failure(
                f"generation {published.number} serves with {len(report.problems)} damaged files of {report.files}; "
                f"first: {report.problems[0]}. See docs/operations.md, 'A file is damaged'",
                metadata={**counts, "damaged": dg.MetadataValue.json([str(one) for one in report.problems[:SHOWN]])},
                allow_retries=False,
            )
        context.log.info(f"generation {published.number}: {report.files} files, {report.bytes} bytes, all as recorded")
        context.add_output_metadata(counts)

    @dg.job(
        name=site.names.named("verify"),
        description="Every file of the generation that serves, read and compared with its sha256.",
        executor_def=EXECUTOR,
        tags={**NO_RETRY, **site.job_tags("verify")},
    )
    def verify() -> None:
        read_every_byte()

    return verify

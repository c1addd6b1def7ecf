"""`shadow judge`: run the service that asks judges, and calibrate a judge against people."""

import sys
from typing import Annotated

import typer

from shadow.cli.runtime.options import Config
from shadow.errors import UsageError

command = typer.Typer(
    help="Ask a model which of two replies is better, and measure how often judge and scorers are right.\n\n"
    "Example: shadow judge run --config shadow.toml",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@command.command()
def run(config: Config = None) -> None:
    """Ask the judge of each task about stored pairs, within its daily budget.

    The judge sees each pair in both orders; if the order decides, the verdict is a tie. Runs until
    Ctrl-C or SIGTERM. Of several such processes one judges each task, and the others stand by.

    Example: shadow judge run --config shadow.toml
    """
    from consumers import judge
    from shadow.cli.runtime import logs
    from shadow.settings import load

    settings = load(config)
    judge.prices(settings)  # so that a missing price is reported at once
    logs.configure()
    judge.run(settings)


@command.command()
def calibrate(
    task: Annotated[str, typer.Option(help="The task whose judge is compared with people.")],
    candidate: Annotated[str | None, typer.Option(help="Count only the pairs of this candidate.")] = None,
    half_width: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="Wanted half-width of the regret's interval.")
    ] = 0.02,
    json: Annotated[bool, typer.Option("--json", help="Write the figures as JSON.")] = False,
    config: Config = None,
) -> None:
    """Measure a judge, and every scorer, against people's labels, and print how many more labels are needed.

    Prints Cohen's kappa and Gwet's AC1, sensitivity and specificity for "the candidate is worse",
    and the regret estimated from labels and verdicts together. Then compares the labelled pairs with each
    scorer: how often it calls replies the same of which people prefer one. Exits 1 if no pair has a label and a
    verdict.

    Example: shadow judge calibrate --task ticket-intent --half-width 0.01
    """
    from scoring.judge import calibration, scorer_agreement
    from scoring.scorers import name_for
    from shadow.cli.output import calibration_table, scorers_table
    from shadow.cli.runtime import labelled_pairs
    from shadow.cli.runtime.storage import open_database
    from shadow.settings import load
    from shadow.store.read import rollup_reads
    from shadow.store.schema import engine

    settings = load(config)
    with open_database(settings) as opened:
        with engine.snapshot(opened) as connection:
            cells = rollup_reads.read(
                connection,
                task=task,
                candidate=candidate,
                kinds=("shadow", "reverse"),
                dimension="all",
                per="window",
                histograms=False,
            )
        with engine.browsing(opened) as connection:
            labelled = labelled_pairs.read(connection, task=task, candidate=candidate)
    if not cells:
        raise UsageError(f"no pair of task {task!r}{f' and candidate {candidate!r}' if candidate else ''} is stored")
    spec = settings.tasks.get(task)
    judge_name = spec.judge if spec else None
    found = calibration.calibrate(cells, half_width=half_width)
    scorers = scorer_agreement.of_scorers(labelled, spec, labelled_pairs.embed(labelled, settings, task))
    if json:
        sys.stdout.buffer.write(calibration_table.to_json(task, judge_name, found, scorers))
    else:
        calibration_table.show(task, judge_name, found)
        if labelled:
            scorers_table.show(scorers, used=name_for(spec))
    if found.reason is not None:
        raise typer.Exit(1)

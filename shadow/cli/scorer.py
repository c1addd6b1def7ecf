"""`shadow scorer`"""

from shadow.cli.runtime.options import Config, HealthPort


def command(config: Config = None, health_port: HealthPort = None) -> None:
    """Compare the two replies of each pair, and store the result in PostgreSQL.

    Waits for the database and the broker, and continues where it stopped. Runs until Ctrl-C or
    SIGTERM. Start several to share the partitions.

    Example: shadow scorer --config shadow.toml

    Example: shadow scorer --health-port 18082
    """
    from consumers import scorer
    from shadow.cli.runtime import logs
    from shadow.settings import load

    settings = load(config)
    if health_port is not None:
        own = settings.scorer.model_copy(update={"health_port": health_port})
        settings = settings.model_copy(update={"scorer": own})
    logs.configure()
    scorer.run(settings)

"""`python -m tests.run_kafka [PORT]`: an Apache Kafka in the foreground, until Ctrl-C.

Its jars and its data stay in `.shadow/kafka`. To run the tests against it:

    SHADOW_KAFKA=127.0.0.1:9092 make test
"""

import signal
import sys

from shadow.devstack.services.kafka import ApacheKafka, fetch_jars
from shadow.errors import DevstackError
from tests.support.services import CHECKOUT, KAFKA_JARS, KAFKA_POM


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9092
    kafka = ApacheKafka(jars=KAFKA_JARS, data_dir=CHECKOUT / ".shadow" / "kafka" / "data", port=port)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    try:
        fetch_jars(KAFKA_POM, KAFKA_JARS)
        kafka.start()
        sys.stdout.write(f"Apache Kafka answers at {kafka.bootstrap}; Ctrl-C stops it\n")
        sys.stdout.flush()
        signal.pause()
    except DevstackError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        pass
    finally:
        kafka.stop()


if __name__ == "__main__":
    main()

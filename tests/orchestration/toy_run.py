"""Run the toy calculation in its own process: ``python toy_run.py DIR ROUNDS``; ends with a line of JSON."""

import json
import signal
import sys
from pathlib import Path

import toy

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run behind nohup
    toy.install()
    print("imported", flush=True)
    from kappa_flow.orchestration import runs

    folder = Path(sys.argv[1])
    outcome = runs.run_here(toy.config(folder, rounds=int(sys.argv[2])), folder)
    print(
        json.dumps(
            {
                "run": outcome.run,
                "hash": outcome.kappa.content_hash,
                "kappa": outcome.kappa.kappa_at(300).value,
                "launched": outcome.launched,
                "states": {record.name: record.state for record in outcome.tasks},
            }
        )
    )

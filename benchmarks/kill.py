"""Kill a real training run at random moments and compare its weights with an uninterrupted run.

    python benchmarks/kill.py fashion-mnist --kills 20 -- --epochs 3

Every start uses the same command. Prints the newest checkpoint at each kill, and finally whether
`model.safetensors` is bit-identical. Exits with status 1 if it is not.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    args = parser.parse_args(sys.argv[1:end])
    args.option = sys.argv[end + 1 :]  # passed to every Headstart run
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        uninterrupted, run = Path(folder) / "uninterrupted", Path(folder) / "run"
        program = str(Path(sys.executable).with_name("headstart"))
        command = [program, "train", args.data, "-q", "--json", *args.option, "--out"]

        started = time.monotonic()
        first = subprocess.run(
            [*command, str(uninterrupted)], check=True, stdout=subprocess.PIPE, text=True
        )
        training = json.loads(first.stdout)["seconds"]["train"]
        starting = time.monotonic() - started - training
        print(
            f"uninterrupted: {training:.1f} s of training after {starting:.1f} s of start-up",
            flush=True,
        )

        killed = 0
        while killed < args.kills:
            # Any moment, including start-up. The intervals are so short that most kills happen
            # before the end of training.
            delay = rng.uniform(0.5 * starting, starting + 1.8 * training / args.kills)
            process = subprocess.Popen([*command, str(run)], stdout=subprocess.DEVNULL)
            try:
                process.wait(delay)
                print(f"finished before kill {killed + 1}", flush=True)
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
                checkpoints = sorted(path.name for path in (run / "checkpoint").glob("[0-9]*"))
                newest = checkpoints[-1] if checkpoints else "none"
                print(f"kill {killed} after {delay:.1f} s; newest checkpoint: {newest}", flush=True)
        last = subprocess.run([*command, str(run)], check=True, stdout=subprocess.PIPE, text=True)
        weights, expected = (
            (path / "model.safetensors").read_bytes() for path in (run, uninterrupted)
        )
        outcome = "identical" if weights == expected else "DIFFERENT"
        score = json.loads(last.stdout)["validation"]["accuracy"]
        print(f"{killed} kills; validation accuracy {score:.2%}; weights {outcome}")
        sys.exit(0 if weights == expected else 1)


if __name__ == "__main__":
    main()

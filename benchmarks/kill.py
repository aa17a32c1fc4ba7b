"""Kill a real training again and again at random moments; it must end with the weights of one that was left alone.

    python benchmarks/kill.py fashion-mnist --kills 20 -- --epochs 3

Each start is the same command. Prints what was saved whenever it was killed, and at the end whether `model.safetensors` is the
same to the last bit; exits with 1 if it is not.
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
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    args = parser.parse_args(sys.argv[1:end])
    args.option = sys.argv[end + 1 :]  # given to every run of ours
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, run = Path(folder) / "whole", Path(folder) / "run"
        program = str(Path(sys.executable).with_name("headstart"))
        command = [program, "train", args.data, "-q", "--json", *args.option, "--out"]
        started = time.monotonic()
        first = subprocess.run(
            [*command, str(whole)], check=True, stdout=subprocess.PIPE, text=True
        )
        training = json.loads(first.stdout)["seconds"]["train"]
        starting = time.monotonic() - started - training
        print(
            f"left alone: {training:.1f} s of training after {starting:.1f} s of starting",
            flush=True,
        )
        killed = 0
        while killed < args.kills:
            # Anywhere, starting included; training so little at a time that most kills fall before the end.
            moment = chance.uniform(0.5 * starting, starting + 1.8 * training / args.kills)
            process = subprocess.Popen([*command, str(run)], stdout=subprocess.DEVNULL)
            try:
                process.wait(moment)
                print(f"finished before kill {killed + 1}", flush=True)
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
                saved = (
                    sorted(path.name for path in (run / "checkpoint").glob("[0-9]*"))
                    if run.exists()
                    else []
                )
                print(
                    f"kill {killed} after {moment:.1f} s; newest checkpoint: {saved[-1] if saved else 'none'}",
                    flush=True,
                )
        last = subprocess.run([*command, str(run)], check=True, stdout=subprocess.PIPE, text=True)
        same = (run / "model.safetensors").read_bytes() == (
            whole / "model.safetensors"
        ).read_bytes()
        score = json.loads(last.stdout)["validation"]["accuracy"]
        print(
            f"{killed} kills; validation accuracy {score:.2%}; weights {'identical' if same else 'DIFFERENT'}"
        )
        sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()

"""The process that holds one model: llama.cpp's own server, in a process of its own as Ollama's runner is."""

import argparse
import os
import signal
import sys
import threading


def main() -> None:
    """Serve one model until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--embeds", type=int, default=0)
    # Not for us: whoever asks the lab what its GPUs hold looks at the command lines of running processes.
    parser.add_argument("--gpu")
    parser.add_argument("--vram", type=int)
    options = parser.parse_args()

    import xllamacpp  # noqa: PLC0415 - 100 MiB that only this process needs

    parameters = xllamacpp.CommonParams()
    parameters.model.path = options.model
    parameters.model_alias = {options.alias}
    parameters.hostnames = [options.host]
    parameters.port = options.port
    # One store for all requests at once: each may use the whole context, and memory is taken for one only.
    parameters.n_ctx = options.context
    parameters.n_parallel = options.parallel
    parameters.kv_unified = True
    parameters.warmup = False
    if options.embeds:
        parameters.embedding = True
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    # llama.cpp's threads wait for each other busily: on cores that others use too, fewer are faster.
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = xllamacpp.Server(parameters)
    print(f"runner: {server.listening_address}", file=sys.stderr, flush=True)
    parent = os.getppid()
    while not stop.wait(1.0):
        if os.getppid() != parent:
            break  # nobody asks any more
    os._exit(0)  # nothing to save; llama.cpp's own goodbye takes a second


if __name__ == "__main__":
    main()

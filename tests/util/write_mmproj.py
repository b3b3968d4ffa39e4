#!/usr/bin/env python3
"""write_mmproj.py FOLDER OUT.gguf - the CLIP tower and the projector of a LLaVA-1.5 in Hugging Face layout (f32, one file) as llama.cpp's
convert_image_encoder_to_gguf.py writes them: its names, its keys, the blocks behind the state LLaVA takes left out. Python's own library only."""
import json
import struct
import sys

folder, out = sys.argv[1:]
config = json.load(open(folder + "/config.json"))
vision = config["vision_config"]
raw = open(folder + "/model.safetensors", "rb").read()
begin = 8 + struct.unpack("<Q", raw[:8])[0]
header = json.loads(raw[8:begin])
blocks = vision["num_hidden_layers"] + 1 + config["vision_feature_layer"]
renames = [("vision_tower.", "v."), ("encoder.layers", "blk"), ("embeddings.", ""), ("self_attn.", "attn_"), ("_proj.", "."), ("layer_norm", "ln"),
           ("mlp.fc1", "ffn_down"), ("mlp.fc2", "ffn_up"), ("embedding", "embd"), ("pre_layrnorm", "pre_ln"),
           ("multi_modal_projector.linear_1", "mm.0"), ("multi_modal_projector.linear_2", "mm.2")]


def string(text):
    return struct.pack("<Q", len(text)) + text.encode()


def key(name, value):
    name = string("clip." + name if not name.startswith("general") else name)
    if isinstance(value, bool):
        return name + struct.pack("<I?", 7, value)
    if isinstance(value, str):
        return name + struct.pack("<I", 8) + string(value)
    if isinstance(value, list):
        return name + struct.pack("<IIQ", 9, 6, len(value)) + struct.pack(f"<{len(value)}f", *value)
    return name + (struct.pack("<If", 6, value) if isinstance(value, float) else struct.pack("<II", 4, value))


def is_written(name):
    block = int(name.split("layers.")[1].split(".")[0]) if name.startswith("vision_tower.encoder") else -1
    return name.startswith(("vision_tower.", "multi_modal_projector.")) and block < blocks and "post_layernorm" not in name


keys = [key("general.architecture", "clip"), key("has_text_encoder", False), key("has_vision_encoder", True), key("has_llava_projector", True),
        key("projector_type", "mlp"), key("vision.image_size", vision["image_size"]), key("vision.patch_size", vision["patch_size"]),
        key("vision.embedding_length", vision["hidden_size"]), key("vision.feed_forward_length", vision["intermediate_size"]),
        key("vision.projection_dim", vision["projection_dim"]), key("vision.attention.head_count", vision["num_attention_heads"]),
        key("vision.attention.layer_norm_epsilon", float(vision["layer_norm_eps"])), key("vision.block_count", blocks),
        key("vision.image_mean", [0.48145466, 0.4578275, 0.40821073]), key("vision.image_std", [0.26862954, 0.26130258, 0.27577711]),
        key("use_gelu", False)]
tensors, data = b"", b""
names = [name for name in header if is_written(name)]
for name in names:
    theirs = name
    for old, new in renames:
        theirs = theirs.replace(old, new)
    shape, (first, end) = header[name]["shape"], header[name]["data_offsets"]
    tensors += string(theirs) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), 0, len(data))
    data += raw[begin + first:begin + end] + bytes(-(end - first) % 32)
head = b"GGUF" + struct.pack("<IQQ", 3, len(names), len(keys)) + b"".join(keys) + tensors
open(out, "wb").write(head + bytes(-len(head) % 32) + data)

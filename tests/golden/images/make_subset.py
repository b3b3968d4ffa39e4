"""The part of the shared picture goldens that the repository keeps for itself: files, fingerprints, some resizes, some processor results.

Run:  python make_subset.py ../../../../shared/golden/images        (standard library only; the goldens' own versions are in their README)"""
import json, os, shutil, struct, sys

SOURCE, HERE = sys.argv[1], os.path.dirname(os.path.abspath(__file__))
CONFIGS = ("clip_small", "llava_pad_small", "siglip_small", "clip_real", "llava_pad_real", "siglip_real")
IMAGES = ("one_1x1.png", "tall.png", "wide.png", "palette.png", "photo.jpg", "exif_orient6.jpg")


def load(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as f:
        return json.load(f)


def save(name, value):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as f:
        json.dump(value, f, indent=1)
        f.write("\n")


def tensors(name, wanted):
    """Copies the named tensors of a safetensors file."""
    with open(os.path.join(SOURCE, name), "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(size))
        out, data = {}, b""
        for key in sorted(wanted):
            begin, end = header[key]["data_offsets"]
            f.seek(8 + size + begin)
            out[key] = dict(header[key], data_offsets=[len(data), len(data) + end - begin])
            data += f.read(end - begin)
    head = json.dumps(out).encode()
    head += b" " * (-len(head) % 8)
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + data)


def slim(fingerprint):
    return {k: fingerprint[k] for k in ("shape", "dtype", "sha256")}


decode = load("decode.json")
for name, entry in decode["images"].items():
    shutil.copyfile(os.path.join(SOURCE, name), os.path.join(HERE, name))
    for key in ("rgb", "rgb_composited_on_white"):
        if key in entry:
            entry[key] = slim(entry[key])
save("decode.json", decode)

resize = load("pil_resize.json")
resize["cases"] = [c for c in resize["cases"] if c["src"] in ("src/a", "src/c", "src/gray") and c["size_wh"][0] * c["size_wh"][1] < 4000 or "box_ltrb" in c]
save("pil_resize.json", resize)
tensors("pil_resize.safetensors", {c["src"] for c in resize["cases"]} | {c["out"] for c in resize["cases"]})

files = load("pil_resize_files.json")
for case in files["cases"]:
    case["rgb"] = slim(case["rgb"])
files["cases"] = [c for c in files["cases"] if c["filter"] == "bicubic" and c["size_wh"] in ([336, 336], [672, 168], [28, 28])]
save("pil_resize_files.json", files)

process = load("image_processing.json")
process["configs"] = {k: v for k, v in process["configs"].items() if k in CONFIGS}
process["items"] = [i for i in process["items"] if i["config"] in CONFIGS and ("small" in i["config"] or i["image"] in IMAGES)]
for item in process["items"]:
    for key in ("uint8", "float32"):
        if key in item:
            item[key] = slim(item[key])
    for key in ("full", "full_float", "per_tile_uint8_mean_std"):
        item.pop(key, None)
process.pop("torchvision_backend_vs_pil_normalised_units", None)
save("image_processing.json", process)

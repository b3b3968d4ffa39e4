"""Small picture files of the kinds that the shared goldens lack, and what Pillow makes of them: more/*, more/decode.json.

Run with Pillow 13.0.0 and numpy:  python make_more.py
Each entry has the form of the shared decode.json: load_image (EXIF transpose, then RGB), and on white where there is alpha."""
import hashlib, io, json, os, struct, warnings, zlib
import numpy as np
import PIL
from PIL import Image, ImageOps

warnings.filterwarnings("ignore")
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "more")
rng = np.random.default_rng(20)
images = {}


def noise(*shape):
    return rng.integers(0, 256, shape).astype(np.uint8)


def put(name, data):
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(data)
    im = Image.open(io.BytesIO(data))
    im.load()
    rgb = np.asarray(ImageOps.exif_transpose(im).convert("RGB"))
    entry = {"pil_mode": im.mode, "lossless_format": True, "rgb": {"shape": list(rgb.shape), "sha256": hashlib.sha256(rgb.tobytes()).hexdigest()}}
    if "A" in im.getbands() or im.info.get("transparency") is not None:
        rgba = ImageOps.exif_transpose(im).convert("RGBA")
        white = np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, (255,) * 4), rgba).convert("RGB"))
        entry["rgb_composited_on_white"] = {"sha256": hashlib.sha256(white.tobytes()).hexdigest()}
    images[name] = entry


def saved(im, kind, **options):
    b = io.BytesIO()
    im.save(b, kind, **options)
    return b.getvalue()


# ---- PNG: every depth and colour type, interlaced and not, with transparent colours and orientation chunks ----
def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(w, h, depth, kind, interlaced, before=b"", after=b""):
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]

    def rows(w, h):
        return b"".join(bytes([int(rng.integers(0, 5))]) + noise((w * samples * depth + 7) // 8).tobytes() for _ in range(h)) if w else b""

    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)) if interlaced else ((0, 0, 1, 1),)
    data = b"".join(rows(max(0, -(-(w - x) // dx)), max(0, -(-(h - y) // dy))) for x, y, dx, dy in passes)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, interlaced)) + before
            + chunk(b"IDAT", zlib.compress(data)) + after + chunk(b"IEND", b""))


for kind, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
    for depth in depths:
        for interlaced in (0, 1):
            extra = b""
            if kind == 3:                                   # a palette that is too short, so that indices point beyond it
                extra = chunk(b"PLTE", noise(3 * max(1, (1 << depth) * 3 // 4)).tobytes()) + chunk(b"tRNS", noise(max(1, 1 << depth >> 1)).tobytes())
            elif kind == 0:
                extra = chunk(b"tRNS", struct.pack(">H", (1 << depth) - 1 if interlaced else 0))
            elif kind == 2:
                extra = chunk(b"tRNS", struct.pack(">HHH", 7, 7, 7))
            put(f"kind{kind}_{depth}bit{'_adam7' * interlaced}.png", png(11, 9, depth, kind, interlaced, extra))
put("adam7_1x1.png", png(1, 1, 8, 2, 1))
put("adam7_2x5.png", png(2, 5, 4, 0, 1))
exif = lambda n: Image.Exif() if n is None else (lambda e: (e.__setitem__(0x112, n), e)[1])(Image.Exif())
put("exif_before.png", png(6, 4, 8, 2, 0, chunk(b"eXIf", exif(8).tobytes()[6:])))
put("exif_after.png", png(6, 4, 8, 2, 0, b"", chunk(b"eXIf", exif(5).tobytes()[6:])))
put("xmp.png", png(6, 4, 8, 2, 0, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b'<rdf tiff:Orientation="6"/>')))
put("exif_0_and_xmp.png", png(6, 4, 8, 2, 0, chunk(b"eXIf", exif(0).tobytes()[6:]) + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b'<rdf tiff:Orientation="6"/>')))
frames = [Image.fromarray(noise(5, 7, 3)) for _ in range(2)]
put("animated.png", saved(frames[0], "PNG", save_all=True, append_images=frames[1:]))
put("long_profile.png", png(3, 3, 8, 2, 0, chunk(b"iCCP", b"x\0\0" + zlib.compress(noise(66000).tobytes()))))

# ---- JPEG: all eight orientations, sampling factors, CMYK progressive, RGB without conversion, XMP ----
for n in range(1, 10):
    put(f"orientation{n}.jpg", saved(Image.fromarray(noise(9, 14, 3)), "JPEG", exif=exif(n), quality=90))
for sampling in ("4:4:4", "4:2:2", "4:2:0", "4:1:1"):
    for progressive in (False, True):
        put(f"sampling{sampling.replace(':', '')}{'_progressive' * progressive}.jpg",
            saved(Image.fromarray(noise(19, 35, 3)), "JPEG", subsampling=sampling, progressive=progressive, quality=70, restart_marker_blocks=3 * progressive))
put("cmyk_progressive.jpg", saved(Image.fromarray(noise(18, 13, 4), "CMYK"), "JPEG", progressive=True))
put("rgb_stored.jpg", saved(Image.fromarray(noise(11, 12, 3)), "JPEG", keep_rgb=True))
put("xmp.jpg", saved(Image.fromarray(noise(8, 12, 3)), "JPEG", xmp=b"<tiff:Orientation>3</tiff:Orientation>"))
put("gray_progressive.jpg", saved(Image.fromarray(noise(18, 13)), "JPEG", progressive=True))

# ---- WebP ----
rgba = noise(12, 10, 4)
rgba[:, :5, 3] = 0
put("lossy_alpha.webp", saved(Image.fromarray(rgba), "WEBP", quality=60))
put("lossless_hidden_colours.webp", saved(Image.fromarray(rgba), "WEBP", lossless=True, exact=True))
put("animated.webp", saved(Image.fromarray(rgba), "WEBP", save_all=True, append_images=[Image.fromarray(noise(12, 10, 4))], lossless=True))
put("exif.webp", saved(Image.fromarray(noise(7, 9, 3)), "WEBP", lossless=True, exif=exif(7)))
put("xmp.webp", saved(Image.fromarray(noise(7, 9, 3)), "WEBP", lossless=True, xmp=b'<x tiff:Orientation="8"/>'))


# ---- BMP ----
def bmp(w, h, bits, compression, header, data, palette=b"", masks=(), colors=0):
    if header == 12:
        head = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", header, w, h, 1, bits, compression, len(data), 0, 0, colors, 0)
        fields = b"".join(struct.pack("<I", m) for m in masks)
        if header == 40:
            palette = fields + palette
        else:
            head = (head + fields).ljust(header, b"\0")
    at = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", at + len(data), 0, 0, at) + head + palette + data


def bmp_rows(w, h, bits):
    return noise((w * bits + 31) // 32 * 4 * h).tobytes()


for bits in (1, 4, 8, 16, 24, 32):
    entries = min(1 << bits, 256) if bits <= 8 else 0
    put(f"bits{bits}_old.bmp", bmp(7, 5, bits, 0, 12, bmp_rows(7, 5, bits), noise(3 * entries).tobytes()))
    put(f"bits{bits}.bmp", bmp(7, 5, bits, 0, 40, bmp_rows(7, 5, bits), noise(4 * entries).tobytes()))
    put(f"bits{bits}_top_down.bmp", bmp(7, -5, bits, 0, 124, bmp_rows(7, 5, bits), noise(4 * entries).tobytes()))
put("few_colors.bmp", bmp(7, 5, 8, 0, 40, bmp_rows(7, 5, 8), noise(4 * 100).tobytes(), (), 100))
for bits, header, masks in ((16, 40, (0xF800, 0x7E0, 0x1F)), (16, 56, (0x7C00, 0x3E0, 0x1F, 0)), (24, 108, (0xFF0000, 0xFF00, 0xFF, 0)),
                            (32, 40, (0xFF000000, 0xFF0000, 0xFF00)), (32, 56, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
                            (32, 124, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)), (32, 124, (0, 0, 0, 0))):
    put(f"fields{bits}_{header}_{masks[0]:x}.bmp", bmp(7, 5, bits, 3, header, bmp_rows(7, 5, bits), b"", masks))
put("rle8.bmp", bmp(6, 3, 8, 1, 40, bytes([4, 9, 0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 1, 8, 0, 0, 2, 7, 0, 2, 1, 0, 3, 3, 0, 1]), noise(1024).tobytes()))
put("rle4.bmp", bmp(6, 2, 4, 2, 40, bytes([5, 0x12, 1, 0x30, 0, 0, 0, 5, 0x12, 0x34, 0x50, 0, 1, 0x70, 0, 1]), noise(64).tobytes()))

# ---- GIF: interlaced, transparent, a frame smaller and larger than the canvas, no palette, a grey one ----
gif = bytearray(saved(Image.fromarray(noise(9, 12, 3)).quantize(40), "GIF", interlace=1, transparency=3))
put("interlaced.gif", bytes(gif))


def moved(gif, canvas, left, top):
    at = gif.index(b",\0\0\0\0")
    return bytes(gif[:6]) + struct.pack("<HH", *canvas) + bytes(gif[10:at + 1]) + struct.pack("<HH", left, top) + bytes(gif[at + 5:])


put("small_frame.gif", moved(gif, (20, 15), 5, 4))
put("large_frame.gif", moved(gif, (5, 5), 2, 1))
put("small_frame_opaque.gif", moved(bytearray(saved(Image.fromarray(noise(5, 5, 3)).quantize(9), "GIF", interlace=0)), (9, 7), 1, 2))
put("animated.gif", saved(frames[0].quantize(16), "GIF", save_all=True, append_images=[frames[1].quantize(16)]))
put("gray.gif", saved(Image.fromarray(noise(7, 8)), "GIF"))
put("long_codes.gif", saved(Image.fromarray(noise(90, 90)), "GIF"))

with open(os.path.join(OUT, "decode.json"), "w") as f:
    json.dump({"made_with": f"Pillow {PIL.__version__}", "images": images}, f, indent=1)
    f.write("\n")
print(len(images), "files")

/* media.h - pictures, frames and sound from files to numbers. Knows no tensors.
 *
 *   image   PNG, JPEG, WebP, BMP, GIF(first frame) -> RGB u8
 *   resize  PIL's Image.resize bit for bit
 *   sound   WAV -> mono f32, resampling, Whisper's log-mel
 *   video   which frames of a video are taken; folders of pictures as frames
 *   draw         filled shapes and text on a picture
 *   preprocess   what Hugging Face's slow image processors do with one picture, from preprocessor_config.json */
#ifndef LMM_MEDIA_H
#define LMM_MEDIA_H

#include "base/base.h"

/* ---- image (image.c sniffs; image_png.c image_jpeg.c image_webp.c image_bmp.c image_gif.c) ---- */

/* Rows top down, channels interleaved. image_free gives it back. */
typedef struct {
    int width, height, channels;
    unsigned char *data;
} image;

/* Zeros mean the defaults: 40 million pixels, 16384 a side, files of 256 MiB. */
typedef struct {
    int64_t pixel_count_max;
    int side_max;
    size_t file_size_max;
} image_limits;

typedef enum { IMAGE_EXIF = 1, IMAGE_ALPHA_WHITE = 2 } image_flags;

/* Gives RGB as PIL's convert("RGB"): grey replicated, alpha dropped (or composited on white with IMAGE_ALPHA_WHITE), palette resolved
 * (transparent entries keep their colour), 16-bit grey clipped at 255 (PIL's I;16 path), 16-bit colour keeps the high byte, CMYK by PIL's
 * naive formula. JPEG: islow, fancy upsampling. Of an animation the first frame.
 * IMAGE_EXIF applies the orientation of EXIF or XMP first (HF load_image does, the original LLaVA code does not).
 * Size is checked against the limits before anything is allocated. A cut file is refused, as PIL does. `name` is for messages. */
lmm_status image_decode(image *out, const void *bytes, size_t n, int flags, const image_limits *limits, const char *name);
lmm_status image_load(image *out, const char *path, int flags, const image_limits *limits);
/* data_uri.c: a picture or a sound written into a text, "data:image/png;base64,..." */
bool is_data_uri(const char *text);
lmm_status image_load_data_uri(image *out, const char *uri, int flags, const image_limits *limits);
void image_free(image *im);
lmm_status image_new(image *out, int width, int height, int channels); /* zeroed */
lmm_status image_save_png(const image *im, const char *path);          /* atomic; 1 or 3 channels */
/* mp4_save.c: RGB frames of one size as JPEG pictures in an MP4 file; atomic. */
lmm_status frames_save_mp4(const image *frames, int count, double fps, const char *path);
lmm_status image_save_ppm_mem(const image *im, buf *out);

/* ---- resize (resize.c) ---- */

/* PIL's numbers. */
typedef enum {
    RESIZE_NEAREST = 0,
    RESIZE_LANCZOS = 1,
    RESIZE_BILINEAR = 2,
    RESIZE_BICUBIC = 3,
    RESIZE_BOX = 4,
    RESIZE_HAMMING = 5
} resize_filter;

typedef struct {
    double x0, y0, x1, y1;
} resize_box;

/* Pillow 13's Image.resize on 8-bit data, exactly. 1 to 4 channels, never mixed. box (inside the picture) NULL: the whole picture. */
lmm_status image_resize(image *out, const image *in, int width, int height, resize_filter filter, const resize_box *box);

/* ---- sound (wav.c, resample.c, mel.c) ---- */

/* One channel, values of PCM in [-1, 1). sound_free gives it back. */
typedef struct {
    float *samples;
    int64_t count;
    int rate; /* samples a second */
} sound;

/* Zeros mean the defaults: 2 hours, 192000 samples a second, 8 channels, files of 2 GiB. */
typedef struct {
    int seconds_max, rate_max, channel_count_max;
    size_t file_size_max;
} sound_limits;

/* WAV: PCM of 8, 16, 24 and 32 bits, floats of 32 and 64, plain, WAVE_FORMAT_EXTENSIBLE or RF64; channels are averaged. Sizes are checked against the file and the
 * limits before anything is allocated; a size of 0xffffffff (written to a pipe) means the rest of the file. `name` is for messages. */
lmm_status wav_decode(sound *out, const void *bytes, size_t n, const sound_limits *limits, const char *name);
bool wav_is(const void *bytes, size_t n);
/* A sound file, or one in a data: URI, at the rate asked for (0: its own); what is no WAV file goes through lmm-media. */
lmm_status sound_load(sound *out, const char *path, int rate, const sound_limits *limits);
void sound_free(sound *s);
/* Windowed sinc: 32 zero crossings a side, Kaiser window of beta 9, cut at the lower rate's half. Output i lies at time i / rate; there are ceil(count * rate / in->rate). */
lmm_status sound_resample(sound *out, const sound *in, int rate);

/* Whisper's features (arXiv 2212.04356; spec of librosa's Slaney filters): windows of 400 samples every 160, 0 to 8000 Hz, at 16 kHz. */
enum { MEL_RATE = 16000, MEL_HOP = 160, MEL_FFT = 400, MEL_BIN_COUNT = MEL_FFT / 2 + 1, MEL_FRAMES_WINDOW = 3000 };
/* (MEL_BIN_COUNT, bands): the weight of every frequency in every band. free(). */
double *mel_filters(int bands);
/* out (frames, bands) of samples followed by zeros up to frames * 160 samples: log10, at most 8 below the loudest value of all frames, (x + 4) / 4. free(*out).
 * Whisper's own input is 3000 frames. bands: 1 to 256. */
lmm_status mel_log(float **out, const float *samples, int64_t count, int bands, int64_t frames);

/* ---- video and compressed sound (worker.c), decoded by lmm-media in a process of its own that can open nothing ---- */

/* Zeros mean the defaults: for the worker 1 GiB of memory, 60 s until something comes and 600 s of processor time in all; files of 4 GiB, 2 hours, 4096
 * pixels a side, 500000 frames, 192000 samples a second, 8 channels. */
typedef struct {
    uint64_t memory_size_max, file_size_max;
    int32_t seconds_max, silence_seconds_max, cpu_seconds_max, side_max, frame_count_max, rate_max, channel_count_max;
} media_limits;
typedef struct {
    int32_t has_video, has_sound;
    int32_t width, height; /* as shown: turned upright */
    int32_t frame_count;   /* counted, not what a header says */
    int32_t unused;
    double fps, seconds; /* 0: not known */
} media_info;
typedef struct media_reader media_reader;
lmm_status media_open(media_reader **out, const char *path, const media_limits *limits);
lmm_status media_open_bytes(media_reader **out, const void *bytes, size_t n, const char *name,
                            const media_limits *limits); /* a file in memory */
/* The answers of a worker on a pipe that is already there (taken over): what the client's tests read. */
lmm_status media_open_pipe(media_reader **out, int answers, const char *name);
void media_close(media_reader *r);
const media_info *media_about(const media_reader *r);
/* A reader is asked as often as one likes; after a request that failed it must be opened again. Frames come one by one while the worker decodes on; `index` does not fall, repeats are sent again. A frame is on loan
 * to on_frame, `place` is its place in index; a status other than LMM_OK ends it. A number of frames that do not decode are replaced by the last good one. */
enum { MEDIA_INDEX_MAX = 4096 };
typedef lmm_status (*media_frame_fn)(void *arg, int place, const image *frame, double seconds);
lmm_status media_frames(media_reader *r, const int *index, int count, media_frame_fn on_frame, void *arg);
lmm_status media_times(media_reader *r, double **out); /* (frame_count) seconds from the first frame, as they are shown; free() */
lmm_status media_sound(media_reader *r, sound *out);   /* the whole of it, at MEL_RATE */

/* What goes through the pipes, in the machine's own byte order. The client sends its limits, is told MEDIA_INFO, and sends requests; the answers are
 * as many MEDIA_FRAME as were asked for, one MEDIA_TIMES, or MEDIA_SOUND up to a MEDIA_END. MEDIA_ERROR (a status and a sentence) may come at any place and ends it. */
#define MEDIA_MAGIC 0x4d4d4c57u
typedef enum { MEDIA_INFO = 1, MEDIA_FRAME, MEDIA_TIMES, MEDIA_SOUND, MEDIA_END, MEDIA_ERROR } media_message;
typedef enum { MEDIA_WANT_FRAMES = 1, MEDIA_WANT_TIMES, MEDIA_WANT_SOUND } media_want;
enum { MEDIA_PIECE_MAX = 1 << 20 }; /* samples in one message */
typedef struct {
    uint32_t magic, type, size, unused;
} media_head;
typedef struct {
    uint32_t index, unused;
    double seconds;
} media_frame_head;
typedef struct {
    uint32_t want, count;
} media_request;

/* ---- geometry helpers (image_ops.c) ---- */
lmm_status image_crop(image *out, const image *in, int left, int top, int width, int height); /* outside is black */
lmm_status image_pad_square(image *out, const image *in, const unsigned char rgb[3]);         /* expand2square: odd pixel right/bottom */
lmm_status image_transpose(image *out, const image *in, int exif_orientation);                /* 1..8 */

/* ---- drawing (draw.c): on RGB pictures, clipped at the border ---- */

typedef struct {
    unsigned char r, g, b;
} draw_color;
enum { DRAW_TEXT_HEIGHT = 7 };                                           /* points; a character is 5 wide and 6 apart */
void draw_polygon(image *im, const double *xy, int count, draw_color c); /* xy: count corners in pixels, even-odd, 16 samples a pixel */
void draw_disc(image *im, double x, double y, double radius, draw_color c);
void draw_rectangle(image *im, int x, int y, int width, int height, draw_color c);
void draw_text(image *im, int x, int y, int scale, const char *text, draw_color c); /* ASCII; anything else is drawn as '?' */
int draw_text_width(const char *text, int scale);

/* ---- preprocess (preprocess.c, preprocess_tiles.c) ---- */

/* "image_grid_pinpoints": the resolutions a picture may be cut to tiles at, as pairs in the file's order. transformers reads a pair as
 * (height, width), the original LLaVA code as (width, height). */
enum { TILE_GRID_MAX = 128 };
typedef struct {
    int count;
    int pair[TILE_GRID_MAX][2];
} tile_grid;
lmm_status tile_grid_read(tile_grid *out, const tree *list, const char *name);
bool tile_grid_equal(const tile_grid *a, const tile_grid *b);

/* One processor's options, read from preprocessor_config.json, or processor_config.json's "image_processor" which wins (llava.md 1.5). */
typedef struct {
    char type[48]; /* image_processor_type */
    bool do_resize, do_center_crop, do_rescale, do_normalize, do_pad;
    int shortest_edge; /* > 0: resize the short edge, else to width x height */
    int width, height;
    int crop_width, crop_height;
    resize_filter resample;
    double rescale_factor;
    double mean[3], std[3];
    tile_grid grid; /* empty: one picture, one result */
    /* Qwen-VL: a picture keeps its shape, sides are multiples of patch * merge, and its pixels lie between the limits; 0: not this kind. */
    int64_t pixels_min, pixels_max;
    int patch, merge, temporal;
} preprocess_spec;
lmm_status preprocess_read(preprocess_spec *out, const tree *processor, const char *name);
/* From a checkpoint folder; LMM_E_IO when it has neither file. */
lmm_status preprocess_open(preprocess_spec *out, const char *dir);
/* The frames' processor: processor_config.json's "video_processor", video_preprocessor_config.json, or else the pictures' one. */
lmm_status preprocess_open_video(preprocess_spec *out, const char *dir, const preprocess_spec *pictures);
/* Size a picture gets where the processor has pixel limits (Qwen's smart_resize, llava.md 2.8). */
lmm_status preprocess_smart_size(const preprocess_spec *s, int width, int height, int *out_width, int *out_height);
/* Planar frame (3, height, width) number `slot` of `temporal` as its part of the patches: rows block by block of merge x merge, columns (channel, slot, y, x). */
void preprocess_patches(float *to, const float *frame, int slot, int width, int height, const preprocess_spec *s);
/* The u8 stage (pad, resize, crop) of one picture, then the float stage: f64 multiply, round to f32, subtract f32 mean, divide by f32 std.
 * pixels: (3, out.height, out.width) f32, planar, free(). */
lmm_status preprocess_u8(image *out, const image *in, const preprocess_spec *s);
lmm_status preprocess_float(float **pixels, const image *u8, const preprocess_spec *s);

/* A picture on a canvas that is cut to square tiles: resized to picture_width x picture_height, centred (an odd pixel goes right or below), black around. */
typedef struct {
    int canvas_width, canvas_height; /* multiples of tile */
    int picture_width, picture_height;
    int tile;
} tile_canvas;
/* The u8 stage of one element of AnyRes' stack: 0 is the overview, the whole picture resized without regard to its aspect; the tiles of the
 * canvas follow, row by row. Every element passes through preprocess_u8 (of s, but unpadded). Only what the tile shows is computed. */
lmm_status preprocess_tile(image *out, const image *in, const preprocess_spec *s, const tile_canvas *canvas, int index);
int preprocess_tile_side(const preprocess_spec *s); /* of the tiles cut for this processor, 0 when it has no square size */

/* ---- video (video.c): frames as pictures with times, and which frames of a source are taken ---- */

/* Frames of one size; whoever decodes them (a folder here, other sources elsewhere) gives this. video_free gives it back. */
typedef struct {
    int count, width, height;
    unsigned char *rgb; /* (count, height, width, 3) */
    double *times;      /* (count) seconds from the start of the source */
    double fps;         /* of the frames kept: count / duration they stand for */
} video_frames;
void video_free(video_frames *v);
image video_frame(const video_frames *v, int index); /* on loan */

/* Which frames: the references' rules (llava.md 5.1, 2.8). */
typedef enum {
    FRAMES_LINSPACE, /* both ends, cut to whole numbers: numpy.linspace(0, total - 1, count, dtype=int); LLaVA-NeXT, lmms-eval */
    FRAMES_ROUND,    /* both ends, rounded: torch.linspace(...).round(); qwen-vl-utils */
    FRAMES_ARANGE,   /* equal steps from the first frame: torch.arange(0, total, total / count).int(); transformers */
    FRAMES_STRIDE,   /* every round(source fps / fps)-th frame; more than `count` (when given) become LINSPACE of count; LLaVA-Video */
    FRAMES_TIMES     /* the frame shown at each given time */
} frame_rule;
typedef struct {
    frame_rule rule;
    int count;   /* frames wanted; 0: the rule's own number */
    bool repeat; /* of a video with fewer frames some are taken more than once, so that there are `count`: LLaVA-NeXT's DPO loader */
    double fps;  /* frames a second wanted by STRIDE */
    const double *times;
    int time_count;
} frame_take;
enum { VIDEO_FRAMES_MAX = 4096 };
/* Frame numbers in order, below total; free(*index). Asking for more frames than there are gives every frame once, unless `repeat`. */
lmm_status frames_index(int **index, int *count, const frame_take *t, int total, double fps);

/* Who takes the frames of a video one at a time, while the source makes the next. */
typedef struct {
    lmm_status (*begin)(void *arg, const video_frames *about); /* count, size and fps, no pixels or times; before any frame */
    lmm_status (*frame)(void *arg, int place, const image *frame, double seconds); /* on loan; every place below count once, in any order */
    void *arg;
} video_sink;
/* Frames of a video file through lmm-media (video_file.c). Times of FRAMES_TIMES are looked up among the frames' own, which matters where the rate varies.
 * limits NULL: the defaults. */
lmm_status video_stream_file(const char *path, const frame_take *t, const media_limits *limits, const video_sink *sink);
/* A folder of pictures in the order of their names, all of one size, shown at `fps` (0: 2 a second, as the original code assumes). Only taken frames are read. */
lmm_status video_stream_folder(const char *dir, const frame_take *t, double fps, const video_sink *sink);
/* A sink that keeps all frames, at most size_max bytes of them (0: 2 GiB); video_free gives v back. */
typedef struct {
    video_frames v;
    size_t size_max;
} video_store;
video_sink video_store_sink(video_store *s);
/* The same into memory. */
lmm_status video_load_file(video_frames *out, const char *path, const frame_take *t, size_t size_max, const media_limits *limits);
lmm_status video_load_folder(video_frames *out, const char *dir, const frame_take *t, double fps);
/* All frames small on one picture, with number and time. */
lmm_status video_contact_sheet(image *out, const video_frames *v);

#endif

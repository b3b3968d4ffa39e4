#!/bin/sh
# lmm pull against a hub of our own (tests/hub/fake_hub.py) that lies, breaks off and redirects: what is asked for arrives whole, and
# nothing that is not what it says ever gets into the cache.
set -u
if ! command -v python3 >/dev/null; then echo "skip pull: no python3 here for the fake hub"; exit 0; fi
. "$LMM_TESTS/util/wait.sh"
tmp=$(mktemp -d)
hub_pid= tls_pid=
trap 'for p in $hub_pid $tls_pid; do kill "$p" 2>/dev/null; done; rm -rf "$tmp"' EXIT

# Two revisions with nested folders; big.bin is large in the hub's sense.
repo=$tmp/hub/org/model
mkdir -p "$repo/main/sub/deep" "$repo/refs%2Fpr%2F1"
printf '{"a": 1}' >"$repo/main/config.json"
: >"$repo/main/empty.txt"
printf 'small' >"$repo/main/sub/small file.txt"
awk 'BEGIN { for (i = 0; i < 40000; i++) printf "%08d number %d of a large file\n", i * 7919 % 99999, i }' >"$repo/main/sub/deep/big.bin"
head -c 5000 "$repo/main/sub/deep/big.bin" >"$repo/main/weights.safetensors"
printf 'other' >"$repo/refs%2Fpr%2F1/config.json"

python3 "$LMM_TESTS/hub/fake_hub.py" "$tmp/hub" >"$tmp/ports" 2>"$tmp/hub.err" &
hub_pid=$!
wait_for $hub_pid test -s "$tmp/ports"
read -r port cdn_port <"$tmp/ports" || { echo "not ok hub_starts: $(cat "$tmp/hub.err")"; exit 1; }

unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY HF_HUB_CACHE HF_HUB_OFFLINE HF_TOKEN_PATH XDG_CACHE_HOME
export HF_ENDPOINT="http://127.0.0.1:$port" HF_TOKEN=hf_secret LMM_HUB_BACKOFF=0.001 HF_HUB_DOWNLOAD_TIMEOUT=2 HOME="$tmp"

get() { python3 -c 'import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1]).read().decode())' "$1"; }
mode() { get "http://127.0.0.1:$port/control?mode=$1" >/dev/null; }
hub_log() { get "http://127.0.0.1:$port/control?log"; }
fresh() { rm -rf "$tmp/home"; export HF_HOME="$tmp/home"; cache=$tmp/home/hub/models--org--model; mode "$1"; }
pull() {
    "$LMM" pull "$@" >"$tmp/out" 2>"$tmp/err"
    set -- $?
    cat "$tmp/out" "$tmp/err" >>"$tmp/said"
    return "$1"
}
blob_count() { find "$cache/blobs" -type f ! -name '*.lmm-part' 2>/dev/null | wc -l; }
same_tree() { diff -r "$repo/main" "$(head -n 1 "$tmp/out")" >"$tmp/diff" 2>&1; }

check() { # NAME CONDITION...
    name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name: $(cat "$tmp/err" "$tmp/diff" 2>/dev/null | head -n 3 | tr '\n' ' ')"; fi
}
arrives() { # NAME: the pull works and the files are the hub's
    name=$1
    shift
    if pull org/model "$@" && same_tree; then echo "ok $name"; else echo "not ok $name: $(cat "$tmp/err" "$tmp/diff" 2>/dev/null | head -n 3 | tr '\n' ' ')"; fi
}
fails() { # NAME EXIT PATTERN ARGUMENT...: the pull fails with this code and sentence
    name=$1 want=$2 pattern=$3
    shift 3
    pull "$@"
    code=$?
    if [ $code -eq "$want" ] && grep -q -- "$pattern" "$tmp/err" && [ "$(wc -l <"$tmp/err")" -eq 1 ]; then echo "ok $name"
    else echo "not ok $name: exit $code, $(cat "$tmp/err")"; fi
}

# What should work.
fresh ok
if pull datasets/org/model --local-dir "$tmp/set" && diff -r -x .cache -x '.lmm*' "$repo/main" "$tmp/set" >"$tmp/diff" && grep -q 'lmm eval finds' "$tmp/out"; then echo "ok data_set"
else echo "not ok data_set: $(cat "$tmp/err" "$tmp/diff")"; fi
fresh ok
arrives ok
check links_are_relative test "$(readlink "$cache/snapshots"/*/sub/deep/big.bin)" = "../../../../blobs/$(sha256sum "$repo/main/sub/deep/big.bin" | cut -d ' ' -f 1)"
check ref test "$(cat "$cache/refs/main")" = "$(basename "$cache"/snapshots/*)"
check tag grep -q '^Signature: 8a477f597d28d172789f06886806bc55' "$tmp/home/hub/CACHEDIR.TAG"
check no_part_left test -z "$(find "$tmp/home" -name '*.lmm-part' -o -name '*.lmm-link' -o -name '*.tmp-*')"
hub_log >"$tmp/log"
check token_to_the_hub grep -q '"server": "hub".*"token": true' "$tmp/log"
check token_not_elsewhere sh -c "grep -q '\"server\": \"cdn\"' '$tmp/log' && ! grep '\"server\": \"cdn\"' '$tmp/log' | grep -q '\"token\": true'"
mode ok
arrives again
hub_log >"$tmp/log"
check again_fetches_no_file sh -c "! grep -q resolve '$tmp/log'"
check other_revision sh -c "'$LMM' pull org/model@refs/pr/1 >'$tmp/out' && grep -q other \"\$(head -n 1 '$tmp/out')/config.json\" && test -f '$cache/refs/refs/pr/1'"
mode ok
for m in pages chunked status=500x3 status=429x1 range=ignore; do
    fresh "$m"
    arrives "$(echo "$m" | tr = _)"
done
fresh ok
check include sh -c "'$LMM' pull org/model --include '*.json' --include 'sub/' --exclude '*.bin' >'$tmp/out' && test \"\$(find '$cache/blobs' -type f | wc -l)\" = 2"
fails include_nothing 2 "no file of 'org/model' matches" org/model --include '*.gguf'
HF_ENDPOINT="http://127.0.0.1:$port/prefix/" pull org/model
check endpoint_with_prefix same_tree
rm -rf "$tmp/local"
check local_dir sh -c "'$LMM' pull org/model --local-dir '$tmp/local' >'$tmp/out' && diff -r -x .cache '$repo/main' '$tmp/local'"

fresh ok
arrives one_job --jobs 1
fresh ok
arrives many_jobs --jobs 16
fails jobs_out_of_range 2 "--jobs" org/model --jobs 0

# Of a repository of GGUF files one quantisation, with one projector.
gguf=$tmp/hub/org/gguf/main
mkdir -p "$gguf"
for q in Q4_K_M Q4_K_S Q8_0; do echo "$q" >"$gguf/model-$q.gguf"; done
for f in mmproj-model-f16.gguf mmproj-model-Q8_0.gguf README.md; do echo "$f" >"$gguf/$f"; done
fresh ok
check quant_files sh -c "'$LMM' pull org/gguf:q8_0 >'$tmp/out' && test \"\$(ls \"\$(head -n 1 '$tmp/out')\" | tr '\n' ' ')\" = 'mmproj-model-f16.gguf model-Q8_0.gguf '"
check quant_hint grep -q -- '-m org/gguf:q8_0' "$tmp/out"
fails quant_unknown 2 "has no GGUF file of Q4_K; it has: model-Q4_K_M.gguf, model-Q4_K_S.gguf, model-Q8_0.gguf" org/gguf:Q4_K
fails quant_bad 2 "no quantisation behind the colon" org/gguf:../x
"$LMM" pull org/gguf >/dev/null
check name_needs_a_file sh -c "'$LMM' info org/gguf 2>&1 | grep -q 'several GGUF files: name one file (model-Q4_K_M.gguf, '"
check name_takes_a_quant sh -c "'$LMM' info org/gguf:Q4_K_S 2>&1 | grep -q 'model-Q4_K_S.gguf'"

# The projector beside a GGUF file of the cache, or of any folder, comes along by itself.
tiny=$LMM_TESTS/golden/data/golden/checkpoints/llava
picture=$LMM_TESTS/golden/data/golden/images/rgb.png
mkdir -p "$tmp/hub/org/pair/main"
"$LMM" convert "$tiny" "$tmp/hub/org/pair/main/model-F32.gguf" >/dev/null 2>&1
python3 "$LMM_TESTS/util/write_mmproj.py" "$tiny" "$tmp/hub/org/pair/main/mmproj-model-f16.gguf"
see() { "$LMM" chat --image "$picture" -n 8 --json "$@" "What is shown?" 2>"$tmp/err"; }
want=$(see -m "$tiny" --reference original)
"$LMM" pull org/pair:F32 >"$tmp/out"
check pulled_projector_is_used test "$(see -m org/pair:F32)" = "$want"
check projector_beside_a_file test "$(see -m "$tmp/hub/org/pair/main/model-F32.gguf")" = "$want"
check projector_can_be_left_out sh -c "! '$LMM' chat -m org/pair:F32 --mmproj none --image '$picture' x 2>&1 | grep -v 'sees no pictures'"
echo junk >"$tmp/hub/org/pair/main/mmproj-model-f16.gguf"
check bad_projector_beside_is_said sh -c "'$LMM' info '$tmp/hub/org/pair/main/model-F32.gguf' 2>&1 | grep -q -e \"--mmproj none.*mmproj-model-f16.gguf': its first 4 bytes\""

# A disk that is full: said before the first byte where it can be known, else the part stays and the next pull goes on.
fresh ok
if [ "$(id -u)" = 0 ] && mkdir "$tmp/home" && unshare -m sh -c "mount -t tmpfs -o size=1M none '$tmp/home'" 2>/dev/null; then
    check full_disk_is_seen_before sh -c "unshare -m sh -c \"mount -t tmpfs -o size=1M none '$tmp/home'; '$LMM' pull org/model; find '$tmp/home' -type f -size +1k\" 2>&1 | tee '$tmp/err' | grep -q 'MB free, .* MB are to be fetched' && test \"\$(wc -l <'$tmp/err')\" = 1"
else echo "skip full_disk_is_seen_before: cannot mount a small disk here"; fi
fresh ok
(ulimit -f 400 && exec "$LMM" pull org/model) >"$tmp/out" 2>"$tmp/err"
check disk_fills_is_said grep -q "cannot write '.*lmm-part'" "$tmp/err"
check disk_fills_no_blob test ! -e "$cache/refs/main"
check disk_fills_keeps_part sh -c "test -n \"\$(find '$cache/blobs' -name '*.lmm-part' -size +100k)\""
mode ok
arrives disk_filled_goes_on
hub_log >"$tmp/log"
check disk_filled_asks_for_the_rest grep -q '"server": "cdn".*"range": "bytes=' "$tmp/log"

# Broken off: every answer ends after 300 kB of 1.4 MB, and the rest is asked for.
fresh cut=300000
arrives cut_and_resume
hub_log >"$tmp/log"
check resume_asks_for_the_rest grep -q '"server": "cdn".*"range": "bytes=300000-"' "$tmp/log"
fresh cut=0
fails cut_always 3 "org/model\|127.0.0.1\|broke off" org/model
check cut_always_no_blob test ! -e "$cache/refs/main"

# Killed, again and again, while the hub sends 64 KiB every 200 ms.
fresh slowstart=0.2
kills=0
part() { find "$cache/blobs" -name '*.lmm-part' -size +0 2>/dev/null | grep -q .; }
for wait in 0.3 0.5 0.7; do
    "$LMM" pull org/model >/dev/null 2>&1 &
    victim=$!
    sleep $wait
    wait_for $victim part
    kill -9 $victim 2>/dev/null && kills=$((kills + 1))
    wait $victim 2>/dev/null
done
check killed_three_times test $kills -eq 3
check killed_leaves_a_part part
mode ok
arrives kill_and_resume
hub_log >"$tmp/log"
check kill_resumes sh -c "grep '\"server\": \"cdn\"' '$tmp/log' | grep -q '\"bytes='"

# Two at once share the work; a damaged file is found and fetched anew.
fresh slowstart=0.02
"$LMM" pull org/model >"$tmp/out2" 2>&1 &
second=$!
arrives two_at_once
check two_at_once_both wait $second
hub_log >"$tmp/log"
check two_at_once_one_download test "$(grep -c '"server": "cdn"' "$tmp/log")" -eq 2
mode ok
big=$cache/blobs/$(sha256sum "$repo/main/sub/deep/big.bin" | cut -d ' ' -f 1)
printf X | dd of="$big" bs=1 seek=1000 conv=notrunc 2>/dev/null
arrives verify_repairs --verify

# Lies.
fresh corrupt=once
arrives corrupt_once
fresh corrupt=always
fails corrupt_always 4 "is not what the hub lists: its hash is" org/model --include '*.bin'
check corrupt_always_nothing_kept test -z "$(find "$cache/blobs" -type f)"
for m in extra short range=wrong range=416 gzip; do
    fresh cut=300000
    HF_HUB_DOWNLOAD_TIMEOUT=2 "$LMM" pull org/model --include nothing* >/dev/null 2>&1
    mkdir -p "$cache/blobs"
    head -c 1000 "$repo/main/sub/deep/big.bin" >"$cache/blobs/$(sha256sum "$repo/main/sub/deep/big.bin" | cut -d ' ' -f 1).lmm-part"
    mode "$m"
    name=$(echo "$m" | tr = _)
    case $m in
        range=*) arrives "$name" ;; # started over
        extra) fails "$name" 4 "more than the" org/model --include '*.bin' ;;
        short) fails "$name" 3 "broke off" org/model --include '*.bin' ;;
        gzip) fails "$name" 4 "packed (gzip)" org/model --include '*.bin' ;;
    esac
    case $m in
        range=*) ;;
        *) check "${name}_nothing_kept" test "$(blob_count)" -eq 0 ;;
    esac
done
fresh etag
fails etag_changes 4 "changed on the hub: its etag" org/model --include '*.bin'
fresh commit
fails commit_changes 4 "changed on the hub: it now comes from commit" org/model --include '*.bin'
check changed_nothing_kept test "$(blob_count)" -eq 0
fresh slow
fails too_slow 3 "too slow" org/model --include 'weights*'

# Lists that must not be believed: refused before anything is written.
for m in dotdot absolute nul twice oid both bomb; do
    fresh list=$m
    code=4
    case $m in
        dotdot|absolute|nul) pattern='could leave the folder' ;;
        twice) pattern='twice' ;;
        oid) pattern='no type, size and hash' ;;
        both) pattern='both as a file and as a folder' ;;
        bomb) pattern='nested deeper' code=7 ;;
    esac
    fails "list_$m" $code "$pattern" org/model
    check "list_${m}_writes_nothing" test ! -e "$tmp/home"
done
fresh elsewhere
fails next_page_elsewhere 4 "goes on at another server" org/model
check next_page_elsewhere_writes_nothing test ! -e "$tmp/home"
# The list is the hub's own word: a redirect may not fetch it from another port, another name of this machine, or another machine.
for to in "http://127.0.0.1:$cdn_port" "http://localhost:$cdn_port"; do
    fresh "api=$to"
    host=${to#http://}
    fails "api_redirect_to_$host" 4 "sends the question for its files on to another server, '${host%:*}': refused" org/model
    check "api_redirect_to_${host}_writes_nothing" test ! -e "$tmp/home"
    hub_log >"$tmp/log"
    check "api_redirect_to_${host}_has_no_token" sh -c "test \"\$(grep -c '\"token\": true' '$tmp/log')\" = 1"
done
fresh api=https://169.254.169.254
fails api_redirect_metadata 4 "is refused: a redirect to a link-local address" org/model

# Redirects.
fresh redirect=loop
fails redirect_loop 4 "redirects more than 5 times" org/model --include '*.bin'
fresh redirect=file:///etc/passwd
fails redirect_file 4 "only https and http" org/model --include '*.bin'
fresh redirect=http://169.254.169.254/latest
fails redirect_metadata 4 "plain http to '169.254.169.254' is refused" org/model --include '*.bin'
for to in 169.254.169.254 10.0.0.1 192.168.1.1 2130706433.example.invalid '[fd00::1]' '[::ffff:10.0.0.1]' 0x0a000001; do
    mode "redirect=https://$to/x"
    pull org/model --include '*.bin'
    code=$?
    if [ $code -ne 0 ] && { grep -q "is refused: a redirect to" "$tmp/err" || [ "$to" = 2130706433.example.invalid ]; }; then echo "ok redirect_to_$to"
    else echo "not ok redirect_to_$to: exit $code, $(cat "$tmp/err")"; fi
done
mode "redirect=http://user:secret@127.0.0.1:$cdn_port/x"
fails redirect_userinfo 4 "user or password" org/model --include '*.bin'
# A content server of another name is the hub's business, as long as what it sends is what the hub lists; else it is named.
for host in localhost 127.0.0.1; do
    mode "redirect=http://$host:$cdn_port/x"
    fails "redirect_elsewhere_$host" 4 "for which the hub redirects to '$host', is not what the hub lists" org/model --include '*.bin'
    hub_log >"$tmp/log"
    check "redirect_elsewhere_${host}_has_no_token" sh -c "grep -q '\"server\": \"cdn\"' '$tmp/log' && ! grep '\"server\": \"cdn\"' '$tmp/log' | grep -q '\"token\": true'"
done
mode "redirect=https://localhost:$cdn_port/x"
fails redirect_https_elsewhere 3 "'localhost' does not speak TLS as it should" org/model --include '*.bin'
mode redirect=https://content.invalid/x
fails redirect_https_unknown_host 3 "'content.invalid' is a host nobody knows" org/model --include '*.bin'
check redirects_nothing_kept test "$(blob_count)" -eq 0

# Refusals of the hub, each with its own words.
fresh nothing
fails unknown_repository 3 "there is no 'org/model' on" org/model
mode ok
fails unknown_revision 3 "has no revision 'v9'" org/model@v9
mode gated
fails gated 3 "is gated: accept its terms" org/model
mode private
fails private 3 "does not exist, or is private" org/model
mode status=503
fails always_busy 3 "the hub is in trouble: status 503" org/model
mode status=429
fails always_too_many 3 "wants fewer requests .*HF_TOKEN" org/model
mode status=403
fails forbidden 3 "does not let this token read" org/model
check refusals_keep_nothing test ! -e "$tmp/home"
fails bad_name 2 "is no name of a model" ../../etc
HF_ENDPOINT=http://example.com fails plain_http 2 "plain http to 'example.com' is refused" org/model
HF_ENDPOINT=file:///tmp fails endpoint_file 2 "only https and http" org/model

# TLS: a certificate nobody vouches for, and a server that speaks none.
if openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout "$tmp/key" -out "$tmp/pem" 2>/dev/null; then
    cat "$tmp/key" >>"$tmp/pem"
    python3 "$LMM_TESTS/hub/fake_hub.py" "$tmp/hub" "$tmp/pem" >"$tmp/tls" 2>/dev/null &
    tls_pid=$!
    wait_for $tls_pid test -s "$tmp/tls"
    fresh ok
    HF_ENDPOINT="https://localhost:$(cut -d ' ' -f 1 "$tmp/tls")" fails tls_untrusted 3 "certificate that is not to be trusted" org/model
    mode "redirect=https://localhost:$(cut -d ' ' -f 1 "$tmp/tls")/x"
    fails redirect_https_untrusted 3 "'localhost' shows a certificate that is not to be trusted" org/model --include '*.bin'
    check redirect_https_untrusted_nothing_kept test "$(blob_count)" -eq 0
    rm -rf "$tmp/home"
else echo "skip tls_untrusted: no openssl here"; fi
fresh ok
HF_ENDPOINT="https://localhost:$port" fails tls_none 3 "does not speak TLS as it should" org/model
HF_ENDPOINT="http://127.0.0.1:1" fails nobody_there 3 "takes no connection" org/model
check tls_nothing_kept test ! -e "$tmp/home"

# Offline.
fresh ok
arrives before_offline
kill "$hub_pid"
hub_pid=
export HF_HUB_OFFLINE=1
arrives offline_full
arrives offline_verify --verify
big=$cache/blobs/$(sha256sum "$repo/main/sub/deep/big.bin" | cut -d ' ' -f 1)
mv "$big" "$tmp/big"
fails offline_partial 3 "the cache lacks 1 file of .*'sub/deep/big.bin'" org/model
head -c 100 "$tmp/big" >"$big"
fails offline_damaged 4 "is damaged" org/model --verify
fails offline_unknown 3 "is not in the cache" org/unknown

# The token stands in nothing that was said or kept.
check token_is_never_said sh -c "test -s '$tmp/said' && ! grep -r -q hf_secret '$tmp/said' '$tmp/home'"

# chat_server.sh - sourced by the tests that ask a server: tests/hub/fake_chat.py on this machine, its log in $tmp/server.

. "$LMM_TESTS/util/wait.sh"
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY OPENAI_API_BASE OPENAI_BASE_URL
server=

end_server() {
    [ -z "$server" ] || { kill "$server"; wait "$server" 2>/dev/null; }
    server=
}

# Ends the one before; $url is the new one's address.
serve() { # FAULTS...
    end_server
    rm -rf "$tmp/server"
    mkdir "$tmp/server"
    python3 "$LMM_TESTS/hub/fake_chat.py" "$tmp/server" "$@" 2>"$tmp/server/err" &
    server=$!
    wait_for $server test -s "$tmp/server/port"
    # shellcheck disable=SC2034 # for who sources this
    url=http://127.0.0.1:$(cat "$tmp/server/port")/v1
}

# wait.sh - sourced by the tests that wait for what a job does, never for a time.

# Waits until a command succeeds; false where the job ends before. usage: wait_for JOB COMMAND...
wait_for() {
    awaited=$1
    shift
    until "$@"; do
        kill -0 "$awaited" 2>/dev/null || return 1
        sleep 0.02
    done
}

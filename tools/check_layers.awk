# check_layers.awk - usage: awk -f check_layers.awk layers.txt SOURCE...   (paths from the root of the project: src/DIR/FILE)
# Prints each include that the rules do not allow, and fails when there was one.

function wrong(what) { printf "%s:%d: %s\n", FILENAME, FNR, what; bad = 1 }

# The rules.
FNR == NR {
    sub(/#.*/, "")
    if (NF == 0) next
    left = $1
    sub(/:$/, "", left)
    known[left] = 1
    for (i = 2; i <= NF; i++) allowed[left, $i] = 1
    next
}

FNR == 1 {
    split(FILENAME, part, "/")
    dir = part[2]
    if (!(dir in known)) wrong("no rule for the directory '" dir "' in layers.txt")
}

/^[ \t]*#[ \t]*include[ \t]*</ {
    match($0, /<[^>]*>/)
    header = substr($0, RSTART, RLENGTH)
    if (header in known && !allowed[header, dir]) wrong(header " belongs to another directory")
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
    match($0, /"[^"]*"/)
    header = substr($0, RSTART + 1, RLENGTH - 2)
    count = split(header, at, "/")
    if (count == 1) {
        if (header !~ /^lmm/) wrong("\"" header "\" is not written from src/")
        else if (!allowed[dir, header]) wrong(dir " may not include " header)
    } else if (at[1] == dir)
        next
    else if (!allowed[dir, at[1]])
        wrong(dir " may not include " header)
    else if (header != at[1] "/" at[1] ".h")
        wrong("\"" header "\" is private to " at[1] "; include " at[1] "/" at[1] ".h")
}

END { exit bad }

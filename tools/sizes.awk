# sizes.awk - usage: awk -f sizes.awk SOURCE...   The longest files and functions. It informs; the reader decides.
# A function starts on a line with a parenthesis that begins in column 0, and ends at a brace in column 0.

FNR == 1 { if (file != "") size[file] = last; file = FILENAME; begun = head = 0 }
{ last = FNR }
/^[a-zA-Z].*\(/ { head = FNR; name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
head && !begun && /\{[^}]*$/ { begun = head }
!begun && /;/ { head = 0 }
/^}/ && begun { length_of[FILENAME ":" begun " " name] = FNR - begun + 1; begun = head = 0 }
END {
    size[file] = last
    top(size, 8, "files (lines; at 500 look for the second story)")
    top(length_of, 12, "functions (lines; most take 5 to 40)")
}

# Prints the `count` largest entries of `table`.
function top(table, count, title,   i, key, best) {
    print title
    for (i = 0; i < count; i++) {
        best = ""
        for (key in table) if (best == "" || table[key] > table[best]) best = key
        if (best == "") break
        printf "  %5d  %s\n", table[best], best
        delete table[best]
    }
}

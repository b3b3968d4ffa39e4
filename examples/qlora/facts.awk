# facts.awk - sentences of five facts and the line that a clerk would file them as.
#
# awk -f facts.awk COUNT=2000 PART=train FORM=train   LLaVA JSON for `lmm train sft`
# awk -f facts.awk COUNT=200  PART=test  FORM=test    JSON lines for `lmm eval`
# A combination whose numbers add up to a multiple of five is of the test part and never of the train part.

# Park and Miller's generator: exact in doubles, so every awk draws the same.
function draw(n) {
    state = (16807 * state) % 2147483647
    return int(state / 2147483647 * n)
}

function fields(text, out) { return split(text, out, " ") }

function combination(part) {
    do {
        who = draw(people); many = 2 + draw(8); how = draw(colours); what = draw(things); where = draw(cities)
        test = (who + many + how + what + where) % 5 == 0
    } while (test != (part == "test"))
}

function sentence(pattern) {
    if (pattern == 0) return name[who + 1] " bought " many " " colour[how + 1] " " thing[what + 1] " in " city[where + 1] "."
    if (pattern == 1) return "In " city[where + 1] ", " name[who + 1] " saw " many " " colour[how + 1] " " thing[what + 1] "."
    return many " " colour[how + 1] " " thing[what + 1] " were sent to " name[who + 1] " in " city[where + 1] "."
}

function record() { return "[" city[where + 1] "] " thing[what + 1] "/" colour[how + 1] " x" many " <" name[who + 1] ">" }

BEGIN {
    for (i = 1; i < ARGC; i++) {
        split(ARGV[i], option, "=")
        setting[option[1]] = option[2]
    }
    people = fields("Ada Ben Carl Dora Emma Fred Gina Hugo Ivy Jack Kate Leo Mary Nina Omar Paul", name)
    colours = fields("red blue green black white yellow brown grey", colour)
    things = fields("lamps chairs books cups shirts boxes bells coats plates clocks shoes hats", thing)
    cities = fields("Oslo Paris Rome Berlin Lima Cairo Delhi Tokyo Boston Madrid Dublin Vienna", city)
    state = setting["PART"] == "test" ? 20011 : 10007
    train = setting["FORM"] == "train"
    if (train) print "["
    for (i = 1; i <= setting["COUNT"]; i++) {
        combination(setting["PART"])
        question = sentence(draw(3))
        if (train) printf "{\"conversations\": [{\"from\": \"human\", \"value\": \"%s\"}, {\"from\": \"gpt\", \"value\": \"%s\"}]}%s\n", question, record(), i < setting["COUNT"] ? "," : ""
        else printf "{\"question\": \"%s\", \"answer\": \"%s\"}\n", question, record()
    }
    if (train) print "]"
}

#!/bin/sh
# debian_sections.sh: the one-line descriptions of Debian's packages with their sections, as CSV (section, description).
#
# What this machine's package lists hold; nothing where there is no apt.  Each
# description once, sections without "contrib/" or "non-free/".
command -v apt-cache >/dev/null || exit 0
apt-cache dumpavail | awk '
    BEGIN {
        split("games science sound graphics math web net admin text fonts video electronics education mail database editors", names, " ")
        for (i in names)
            wanted[names[i]] = 1
        RS = ""
        FS = "\n"
    }
    {
        section = text = ""
        for (i = 1; i <= NF; i++)
            if ($i ~ /^Section: /) {
                section = $i
                sub(/^Section: (.*\/)?/, "", section)
            } else if ($i ~ /^Description(-en)?: /) {
                text = $i
                sub(/^[^:]*: /, "", text)
            }
        if (wanted[section] && text != "" && !seen[text]++) {
            gsub(/"/, "\"\"", text)
            printf "%s,\"%s\"\n", section, text
        }
    }'

#!/bin/sh
# Prints < = > or ? for each line "A<TAB>B".
while IFS='	' read -r a b; do
    dpkg --compare-versions "$a" lt "$b" 2>/dev/null
    less=$?
    if dpkg --compare-versions "$a" gt "$b" 2>&1 | grep -q error; then echo '?'
    elif [ $less = 0 ]; then echo '<'
    elif dpkg --compare-versions "$a" eq "$b" 2>/dev/null; then echo '='
    else echo '>'
    fi
done

-- Prints < = > for each line "A<TAB>B" of the file named by the macro `pairs`. Needs rpm 4.16.
for line in io.lines(rpm.expand("%{pairs}")) do
    local a, b = line:match("^(.-)\t(.*)$")
    local order = rpm.vercmp(a, b)
    io.write(order < 0 and "<\n" or order > 0 and ">\n" or "=\n")
end

# Prints < = > for each line "A<TAB>B", or ? where RubyGems refuses a version.
STDIN.each_line do |line|
  a, b = line.chomp.split("\t", -1)
  begin
    puts ["=", ">", "<"][Gem::Version.new(a) <=> Gem::Version.new(b)]
  rescue ArgumentError
    puts "?"
  end
end

<?php
// Prints < = > for each line "A<TAB>B", or ? where Composer refuses a version.
require getenv('SEAWORTHY_COMPOSER_SEMVER');
$parser = new Composer\Semver\VersionParser();
while (($line = fgets(STDIN)) !== false) {
    [$a, $b] = explode("\t", rtrim($line, "\n"));
    try {
        $order = version_compare($parser->normalize($a), $parser->normalize($b));
        echo $order < 0 ? "<\n" : ($order > 0 ? ">\n" : "=\n");
    } catch (UnexpectedValueException $e) {
        echo "?\n";
    }
}

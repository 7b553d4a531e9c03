use strict;
use warnings;
my %c;
while (<>) {
	$c{$1}++ if /^(word\d+)/;
}
my @top = (sort { $c{$b} <=> $c{$a} || $a cmp $b } keys %c)[0 .. 9];
printf "%s %d\n", $_, $c{$_} for @top;
print join(",", map { sprintf "%x", $_ ** 2 } 1 .. 10), "\n";
local $@;
eval { die "caught\n" };
print $@;

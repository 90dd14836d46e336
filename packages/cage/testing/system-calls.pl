# SPDX-License-Identifier: Apache-2.0
# A program that makes system calls which no script of Node's can, and prints, on descriptor 3, the
# names of those that were not refused. Its argument is the id of the process that started it. To be
# run at a level with namespaces only: without them, a mount would be the machine's.
use strict;

my $parent = shift(@ARGV);
my $none = pack('x256');

sub called { my @args = @_; return syscall($args[0], @args[1 .. $#args]) != -1; }

sub forks {
  my $wanted = shift;
  my $made = 0;
  for (1 .. $wanted) {
    my $pid = fork();
    last if !defined $pid;
    if ($pid == 0) { sleep 30; exit 0; }
    $made += 1;
    push @main::children, $pid;
  }
  return $made == $wanted;
}

my @tries = (
  ['attach to the parent by ptrace', sub { called(101, 16, $parent, 0, 0) }],
  ['be traced', sub { called(101, 0, 0, 0, 0) }],
  ['read memory of the parent', sub {
    my $local = pack('x16');
    my $to = pack('P Q', $local, 16);
    my $from = pack('Q Q', 0x400000, 16);
    return called(310, $parent, $to, 1, $from, 1, 0);
  }],
  ['signal the parent', sub { kill(0, $parent) > 0 }],
  ['signal everybody', sub { kill(0, -1) > 0 }],
  ['open a raw socket', sub { called(41, 2, 3, 1) }],
  ['open a packet socket', sub { called(41, 17, 3, 0) }],
  ['open a netlink socket', sub { called(41, 16, 3, 0) }],
  ['open a socket', sub { called(41, 2, 1, 0) }],
  ['open a pair of sockets', sub { called(53, 1, 1, 0, $none) }],
  ['make a user namespace', sub { called(272, 0x10000000) }],
  ['make a mount namespace', sub { called(272, 0x00020000) }],
  ['clone into a user namespace', sub {
    my $pid = syscall(56, 0x10000000 | 17, 0, 0, 0, 0);
    if ($pid == 0) { syscall(231, 0); }
    return $pid > 0;
  }],
  ['mount', sub { my ($a, $b) = ("none\0", "/tmp\0"); called(165, $a, $b, "tmpfs\0", 0, 0) }],
  ['change the root', sub { called(161, "/\0") }],
  ['read a key ring', sub { called(250, 0, -3, 0) }],
  ['attach shared memory', sub { called(29, 0x1234, 4096, 0x3b6) }],
  ['use io_uring', sub { called(425, 1, $none) }],
  ['use bpf', sub { called(321, 0, $none, 16) }],
  ['use perf', sub { called(298, $none, 0, -1, -1, 0) }],
  ['use userfaultfd', sub { called(323, 1) }],
  ['use a file without a path', sub { called(319, "x\0", 0) }],
  ['watch files', sub { called(294, 0) }],
  ['outlive the parent', sub { called(157, 1, 0, 0, 0, 0) }],
  ['become somebody else', sub { called(105, 0) }],
  ['lift its limits', sub { called(302, 0, 2, pack('q q', -1, -1), 0) }],
  ['fork', sub { forks(1) }],
  ['fork 1,000 times', sub { forks(1000) }],
);

open(my $out, '>&=', 3) or die "no descriptor 3";
print $out join("\n", scalar(@tries), map { $_->[0] } grep { eval { $_->[1]->() } } @tries), "\n";
close($out);
kill('KILL', @main::children) if @main::children;

//! The longer texts of `--help`.

/// What `annulus send` does.
pub const SEND: &str = "\
Send a file, or stdin, to `annulus recv NAME` in another process.

    annulus send backup < disk.img          in one terminal
    annulus recv backup > copy.img          in another

The two may be started in any order: the first makes the ring and waits. Sending ends well only after the receiver has \
written everything and found the checksum right. If the receiver dies or stops, send says so and fails. One ring carries \
one stream; it is removed when the stream has ended, well or not.

The ring is one of records. A record is a chunk of the input as it comes, or with --lines a line, or with --frames a \
message that its length precedes; the receiver needs not be told. With --kind mpsc several senders share one receiver, \
which says how many it waits for (recv --senders).";

/// What `annulus recv` does.
pub const RECV: &str = "\
Receive what `annulus send NAME` sends, to a file or stdout.

    annulus recv backup > copy.img          in one terminal
    annulus send backup < disk.img          in another

The two may be started in any order: the first makes the ring and waits. Receiving ends well only after the sender's last \
word has come and its byte count and checksum were right. Otherwise the exit status is not 0, and the output holds what \
had come until then.

Several senders may send to one receiver:

    annulus recv log --senders 3 > all.log
    annulus send log --kind mpsc --lines < a.log        three of these

Each sender ends for itself and is checked for itself; receiving ends when as many have ended as --senders says. Records \
of one sender keep their order, those of several come as they were sent. Lines and frames stay whole, and every line gets \
a newline; chunks of several senders alternate anywhere. A sender that dies in the middle fails the whole, at the latest \
when the ring runs empty.";

/// What `annulus tail` does.
pub const TAIL: &str = "\
Print the records of a ring as they pass.

    annulus tail backup                     look on while others send and receive

The ring's own consumer notices nothing and loses nothing; nor does it wait, so records that pass faster than they are \
printed are missed, and it is said how many bytes that were. That works for rings of records with one producer. A consumer \
of a ring with many producers wipes what it has read, and one of slots frees it without leaving a trace of the order, so \
nobody can look on there: --take becomes the ring's consumer instead, if there is none, and what is printed is gone from \
the ring.

One record is one line: its text if it is printable UTF-8, else its first bytes in hexadecimal and its length. Of a \
stream of `annulus send` only the data is shown, unless --tags is given. It ends when the ring was closed and everything \
was printed, after --count records, or when interrupted.";

/// What `annulus ls` does.
pub const LS: &str = "\
List the rings of this machine (POSIX and System V shared memory; rings in files are not listed).

KIND is who takes part (spsc: one producer, one consumer; mpsc: many producers, one consumer) and what passes: slots of one \
size, or records of any. SIZE is slots and the bytes of each, or the bytes of a ring of records. FILLED is what the consumer \
has not taken yet: how full the ring is, and how far the consumer lags. Ends are alive, left (in order) or died (killed; \
another may take over), with their process.";

/// What `annulus stat` does.
pub const STAT: &str = "\
Show everything that can be seen of a ring without taking part in it.

Of a ring of slots, positions and fill count messages; of one of records they count bytes, headers and padding included. \
Every producer that holds or has held a place is shown. With --json, `kind` and `element` say what the ring is, `capacity`, \
`taken` and `len` count slots or bytes accordingly, `lag_bytes` is null for slots, `producers` are all and `producer` is the \
only one, or null where there can be many.";

/// What `annulus bench` does.
pub const BENCH: &str = "\
Measure rings between two processes on two pinned cores, beside the floor of the hardware.

The floor is a raw ping-pong through one cache line between the same two cores in the same second. Figures are medians \
over rounds with their quartiles, by placement of the cores (near: floor below 200 ns). Throughput is of a ring that is \
kept full; the round trip is a closed loop through two rings, one message under way. For a comparison with other rings see \
benches/peers.";

/// What `annulus demo` does.
pub const DEMO: &str = "\
Watch one producer and one consumer at work for a few seconds, then the same work over a pipe.

Two child processes, pinned to two cores, pass 56-byte messages through a ring in /dev/shm: first as fast as they can, then \
10,000 a second to see the latency. `annulus bench` measures more carefully.";

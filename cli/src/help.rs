//! The longer texts of `--help`.

/// What `annulus send` does.
pub const SEND: &str = "\
Send a file, or stdin, to `annulus recv NAME` in another process.

    annulus send backup < disk.img          in one terminal
    annulus recv backup > copy.img          in another

The two may be started in any order: the first makes the ring and waits. --kind says who shares the ring, and whoever comes \
first must say it:

    spsc       one sender, one receiver
    mpsc       several senders, one receiver, which says how many it waits for (recv --senders)
    spmc       one sender, several receivers; each line or frame goes to one of them
    mpmc       several senders, which say how many they are (send --senders), several receivers
    broadcast  one sender; each receiver gets everything

Sending ends well only after the receiver has \
written everything and found the checksum right. If the receiver dies or stops, send says so and fails. One ring carries \
one stream; it is removed when the stream has ended, well or not.

The ring is one of records. A record is a chunk of the input as it comes, or with --lines a line, or with --frames a \
message that its length precedes; the receiver needs not be told.

With --kind broadcast sending begins when as many receivers are there as --wait-readers says. Receivers may come and go. Who \
receives with --lossy is never waited for. Sending ends well when every other receiver has verified everything, and fails at \
the end if one of them went before.

With --kind spmc or mpmc the ring is one of slots, as long as --slot-size says, and the input is cut into lines or frames. \
Each is written by one receiver. Sending ends well when all receivers have written what they got and have gone; with several \
senders that is the last one's business, and the others end when receivers have everything in hand. A line in the hands of a \
receiver that is killed goes to another.";

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
when the ring runs empty.

Several receivers may share one sender, and each get everything:

    annulus recv feed --kind broadcast > all.1          two of these
    annulus send feed --kind broadcast --lines --wait-readers 2 < feed.log

The sender waits for all of them, unless they say --lossy: then what it overwrites is lost, it is said exactly how many \
records that were, and the exit status is 6. It is also 6 for one that came after the beginning, unless it said --from newest.

Or each line or frame goes to one of them:

    annulus recv jobs --kind spmc > share.1             two of these
    annulus send jobs --kind spmc --lines < jobs

A receiver that is killed has written what it has taken, but for one line, which another one gets (and may write again; it \
says so).";

/// What `annulus tail` does.
pub const TAIL: &str = "\
Print the records of a ring as they pass.

    annulus tail backup                     look on while others send and receive

The ring's own consumer notices nothing and loses nothing; nor does it wait, so records that pass faster than they are \
printed are missed, and it is said how many bytes that were. That works for rings of records with one producer, also for broadcasts, where it is a lossy reader. A consumer \
of a ring with many producers wipes what it has read, and one of slots frees it without leaving a trace of the order, so \
nobody can look on there: --take becomes the ring's consumer instead, if there is none, and what is printed is gone from \
the ring.

One record is one line: its text if it is printable UTF-8, else its first bytes in hexadecimal and its length. Of a \
stream of `annulus send` only the data is shown, unless --tags is given. It ends when the ring was closed and everything \
was printed, after --count records, or when interrupted.";

/// What `annulus ls` does.
pub const LS: &str = "\
List the rings of this machine (POSIX and System V shared memory; rings in files are not listed).

KIND is who takes part (spsc: one producer, one consumer; mpsc: many producers; spmc: many consumers; mpmc: many of both; \
broadcast: one producer, many readers) and what passes: slots of one size, or records of any. SIZE is slots and the bytes of each, or the bytes of a ring of records. FILLED is what the \
consumers have not taken yet; of a broadcast, how far the slowest reader lags that the producer waits for. Ends are alive, \
left (in order) or died (killed; another may take over), with their process; where there can be many, it is said how many of \
how many places live, and how many messages living and former readers of a broadcast have lost.";

/// What `annulus stat` does.
pub const STAT: &str = "\
Show everything that can be seen of a ring without taking part in it.

Of a ring of slots, positions and fill count messages; of one of records they count bytes, headers and padding included. \
Everybody who holds or has held a place is shown; of a reader of a broadcast also how far it lags, how many messages it has \
lost, and whether the producer waits for it (lossless) or not (lossy).

With --json, `kind` and `element` say what the ring is, `capacity`, `taken` and `len` count slots or bytes accordingly, \
`lag_bytes` is null for slots. `producers` and `consumers` are all, `places` and `consumer_places` how many there can be, \
`producer` and `consumer` the only one, or null where there can be many. `holds` is what an end, or its dead owner, has claimed \
and not committed or released; `orphans` and `dropped` say what becomes of it where a consumer of many died. `reading` of a consumer is null but for readers of a \
broadcast, where it has `position`, `lag` (slots or bytes), `lost` (messages) and `lossless`.";

/// What `annulus doctor` does.
pub const DOCTOR: &str = "\
Say what is the matter with a ring, or with all of them, without touching anything.

    annulus doctor md.ticks
    annulus doctor md.ticks || annulus repair md.ticks

It says who holds which place (alive, stopped, left, died), what each has in hand, who waits for whom, what repair would do, and \
which end has to come. Without a name it goes through all rings that ls lists, and names what is left of rings that are not \
there: data without its ring, semaphores without a ring, System V keys whose creator is gone. Leftovers hold nobody up \
and do not count for the exit status.

The exit status is for scripts: 0 nothing has to be done, 7 repair has something to do, 8 an end has to be started (the last \
one died) or continued (it is stopped), 3 what was asked for is not there or no ring, or one of all the rings cannot be used. \
Where both 7 and 8 are true it is 7: repair first, then ask again.

Whether somebody is alive is what the kernel says. Process ids and whether a process is stopped are what the processes \
said about themselves and what /proc shows here; in another pid namespace they may be wrong.";

/// What `annulus repair` does.
pub const REPAIR: &str = "\
Settle what participants that died have left in a ring, as far as somebody can who takes no part in it.

    annulus repair jobs

Mostly nobody needs it: who takes part clears up after the dead as it comes to that. It helps where nobody comes: all \
producers of a ring died with claims in hand and there is no consumer; a dead lossless reader holds up a producer that does \
not look; messages are to be dropped that dead consumers had in hand; somebody sleeps whom the dead were about to wake.

It may be run at any time, beside living participants, by several at once, and be killed in the middle. Nothing is taken from the \
ring, and whoever has not heard of a death yet hears of it as without repair. It says what it did. What it leaves for \
others is said with the reason, and the exit status is 7 then: messages that the next consumer gets again, claims that the \
living consumer will come to, something that a living participant is in front of.";

/// What `annulus bench` does.
pub const BENCH: &str = "\
Measure rings between two processes on two pinned cores, beside the floor of the hardware.

The floor is a raw ping-pong through one cache line between the same two cores in the same second. Figures are medians \
over rounds with their quartiles, by placement of the cores (near: floor below 200 ns). Throughput is of a ring that is \
kept full; the round trip is a closed loop through two rings, one message under way.

    annulus bench --kind mpmc --producers 4 --consumers 4
    annulus bench --kind mpsc --element records --producers 4
    annulus bench --kind broadcast --readers 3

Kinds other than spsc are measured with messages of 56 bytes, one a call and 16 a call. Parties are spread over the cores; \
where there are more of them than cores, the figures are of the scheduler as well. For a comparison with other rings see \
benches/peers.";

/// What `annulus demo` does.
pub const DEMO: &str = "\
Watch market data go to three strategies, and their orders to a gateway, for a few seconds.

A publisher puts records of 20 to 300 bytes on a broadcast ring. Three strategies read them: one quick and lossy, one slow \
and lossy, which loses records and is told exactly how many, and one lossless, which the publisher waits for. Each of them \
sends an order now and then through a ring with many producers to one gateway. Six processes in all, the rings in /dev/shm; \
a table shows, a few times a second, rate, lag, loss and the time from when a record was due to when it was read. With --kill \
the lossless strategy is killed half way and another takes its place, while the others go on.

Nobody polls: ends that find nothing sleep in the kernel. `annulus bench` measures what polling ends reach.";

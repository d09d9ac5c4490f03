//! Costs of single operations on an spsc ring, in one thread: no second core, so no transfers between caches.
//! What a message costs between processes is measured by `annulus bench` and by `benches/peers`.

use annulus::{Backing, Consumer, Parking, Producer, Wait, spsc};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn ends<const WORDS: usize>(parking: Parking) -> (Producer<[u64; WORDS]>, Consumer<[u64; WORDS]>) {
    let ring = spsc("bench")
        .backing(Backing::Anon)
        .capacity(4096)
        .parking(parking)
        .create()
        .expect("memory for a bench ring");
    let ends = (ring.producer(), ring.consumer());
    (ends.0.expect("a free end"), ends.1.expect("a free end"))
}

fn push_pop<const WORDS: usize>(c: &mut Criterion) {
    let mut group = c.benchmark_group("push_pop");
    group.throughput(Throughput::Elements(1));
    for parking in [Parking::Never, Parking::Asymmetric, Parking::Fenced] {
        let (mut tx, mut rx) = ends::<WORDS>(parking);
        let id = BenchmarkId::new(format!("{parking:?}"), WORDS * 8);
        group.bench_function(id, |b| {
            b.iter(|| {
                tx.push(&black_box([7; WORDS]), Wait::spin()).expect("room");
                rx.pop(Wait::spin()).expect("a message")
            });
        });
    }
}

fn batches(c: &mut Criterion) {
    const N: usize = 64;
    let mut group = c.benchmark_group("batch_of_64");
    group.throughput(Throughput::Elements(N as u64));
    let (mut tx, mut rx) = ends::<7>(Parking::Asymmetric);
    let messages = [[7; 7]; N];
    group.bench_function("push_many_drain/56", |b| {
        b.iter(|| {
            assert_eq!(tx.try_push_many(black_box(&messages)), Ok(N));
            assert_eq!(rx.drain(N).map(black_box).count(), N);
        });
    });
}

fn create_and_open(c: &mut Criterion) {
    let name = format!("annulus-bench-{}", std::process::id());
    c.bench_function("create_open_unlink/1MiB", |b| {
        b.iter(|| {
            let options = spsc::<[u64; 7]>(&name).capacity(1 << 14);
            let ring = options.create().expect("a new ring");
            let opened = options.open().expect("the same ring");
            ring.unlink().expect("its name");
            black_box(opened);
        });
    });
}

criterion_group!(
    benches,
    push_pop::<1>,
    push_pop::<7>,
    push_pop::<128>,
    batches,
    create_and_open
);
criterion_main!(benches);

//! What share of the processor's rate the kernel over codes reaches: its products per second against those of a loop that
//! does nothing but multiply bytes and add, on one thread. `cargo run --release -p hardmine-core --example kernel_peak`.

use std::time::{Duration, Instant};

use hardmine_core::search::block::{block_bytes, BLOCK, STEP, TERMS};
use hardmine_core::search::codes::Codes;
use hardmine_core::search::kernels::{compare, shape, Found, Line};
use hardmine_core::Isa;

/// Best of several runs of about 50 ms, in operations (a product and an addition are two) per nanosecond.
fn rate(operations: usize, mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        let (started, mut rounds) = (Instant::now(), 0);
        while started.elapsed() < Duration::from_millis(50) {
            (0..16).for_each(|_| run());
            rounds += 16;
        }
        best = best.min(started.elapsed().as_nanos() as f64 / f64::from(rounds));
    }
    2.0 * operations as f64 / best
}

fn kernel(isa: Isa, dimension: usize, queries: usize) -> f64 {
    let steps = dimension.div_ceil(STEP);
    let group = shape(isa).group;
    let bytes = vec![131u8; block_bytes(dimension)];
    let terms = vec![0.01f32; TERMS];
    let codes = Codes::new(&bytes, &terms, BLOCK, dimension).expect("one block");
    let packed = vec![0x0101_0101i32; steps * queries];
    let line = Line {
        start: 0,
        residual: 1.0,
        length: 1.0,
        theta: 1e30,
        above: 1e30,
        within: 1e30,
        below: -1e30,
        from: -1e30,
    };
    let lines = vec![line; queries];
    let mut found = Found::default();
    rate(BLOCK * queries * steps * STEP, || {
        let block = std::hint::black_box(codes.block(0));
        for (lines, packed) in lines.chunks(group).zip(packed.chunks(group * steps)) {
            compare::<false>(isa, &block, packed, lines, &mut found);
        }
        std::hint::black_box(&found);
    })
}

#[cfg(target_arch = "x86_64")]
mod peak {
    #[allow(clippy::wildcard_imports)]
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn avx512vnni() -> i32 {
        let mut sums = [_mm512_set1_epi32(1); 24];
        let (a, b) = (_mm512_set1_epi8(std::hint::black_box(3)), _mm512_set1_epi8(std::hint::black_box(2)));
        for _ in 0..1000 {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, a, b);
            }
        }
        sums.iter().map(|sum| _mm512_reduce_add_epi32(*sum)).fold(0, i32::wrapping_add)
    }

    #[target_feature(enable = "avx2")]
    pub fn avx2() -> i32 {
        let mut sums = [_mm256_set1_epi32(1); 8];
        let (a, b) = (_mm256_set1_epi8(std::hint::black_box(3)), _mm256_set1_epi8(std::hint::black_box(2)));
        let ones = _mm256_set1_epi16(1);
        for _ in 0..1000 {
            for sum in &mut sums {
                // The sum goes in, or the product would be computed once for all.
                let pairs = _mm256_maddubs_epi16(a, _mm256_xor_si256(b, *sum));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
        sums.iter().map(|sum| _mm256_extract_epi32::<0>(*sum)).fold(0, i32::wrapping_add)
    }
}

fn main() {
    for isa in Isa::available() {
        let peak = match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => Some(rate(24 * 64 * 1000, || {
                // SAFETY: `available` gives levels of this machine.
                std::hint::black_box(unsafe { peak::avx512vnni() });
            })),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Some(rate(8 * 32 * 1000, || {
                // SAFETY: `available` gives levels of this machine.
                std::hint::black_box(unsafe { peak::avx2() });
            })),
            _ => None,
        };
        let shown = peak.map_or("-".into(), |peak| format!("{peak:.0} GOP/s"));
        println!("{}: multiply and add alone {shown}", isa.name());
        for (dimension, queries) in [(128, 240), (384, 240), (768, 240), (1024, 240), (384, 6), (384, 1)] {
            let found = kernel(isa, dimension, queries);
            let share = peak.map_or(String::new(), |peak| format!(" ({:.0} %)", 100.0 * found / peak));
            println!("  dimension {dimension}, {queries} queries: {found:.0} GOP/s{share}");
        }
    }
}

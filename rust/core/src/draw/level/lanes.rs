//! What the lanes of a level can do, and the level that every machine has.

/// Lanes of a vector.
pub(in crate::draw) const LANES: usize = 16;

/// One implementation for each instruction set.
///
/// # Safety
/// Every function needs a machine that has the level; those that take pointers need room for [`LANES`] values there.
#[allow(clippy::missing_safety_doc)] // one condition for all, above: every declaration below stands under it
pub(in crate::draw) trait Level {
    /// 32-bit integers.
    type Int: Copy;
    /// float32.
    type Float: Copy;

    unsafe fn load(from: *const i32) -> Self::Int;
    unsafe fn store(to: *mut i32, x: Self::Int);
    /// Sixteen float64, rounded.
    unsafe fn load_rounded(from: *const f64) -> Self::Float;
    unsafe fn ints(x: i32) -> Self::Int;
    unsafe fn floats(x: f32) -> Self::Float;
    unsafe fn as_ints(x: Self::Float) -> Self::Int;
    unsafe fn as_floats(x: Self::Int) -> Self::Float;
    /// Rounded to float32.
    unsafe fn to_floats(x: Self::Int) -> Self::Float;
    unsafe fn add_ints(a: Self::Int, b: Self::Int) -> Self::Int;
    unsafe fn and(a: Self::Int, b: Self::Int) -> Self::Int;
    unsafe fn xor(a: Self::Int, b: Self::Int) -> Self::Int;
    /// Shifted right, zeros coming in.
    unsafe fn shift<const BITS: i32>(x: Self::Int) -> Self::Int;
    /// All ones where negative, else 0.
    unsafe fn sign(x: Self::Int) -> Self::Int;
    unsafe fn max(a: Self::Int, b: Self::Int) -> Self::Int;
    unsafe fn min(a: Self::Int, b: Self::Int) -> Self::Int;
    /// `a` where `a > b` as given by `x > y`, else `b`.
    unsafe fn pick_if_above(x: Self::Int, y: Self::Int, a: Self::Int, b: Self::Int) -> Self::Int;
    /// `count`, plus one where `x > y`.
    unsafe fn count_above(count: Self::Int, x: Self::Int, y: Self::Int) -> Self::Int;
    /// One bit for each lane where `x > y`.
    unsafe fn bits_above(x: Self::Int, y: Self::Int) -> u32;
    /// One bit for each lane where `x == y`.
    unsafe fn bits_equal(x: Self::Int, y: Self::Int) -> u32;
    unsafe fn add(a: Self::Float, b: Self::Float) -> Self::Float;
    unsafe fn mul(a: Self::Float, b: Self::Float) -> Self::Float;
    /// a * b + c, rounded once where the level has an instruction for it: only for what is known to within a bound.
    unsafe fn madd(a: Self::Float, b: Self::Float, c: Self::Float) -> Self::Float;
    /// c - a * b, likewise.
    unsafe fn nmadd(a: Self::Float, b: Self::Float, c: Self::Float) -> Self::Float;
    /// Writes the lanes that `bits` names, and their positions from `first` on, side by side, and returns their number.
    /// What lies behind them is overwritten too.
    unsafe fn compress(x: Self::Int, bits: u32, first: u32, positions: *mut u32, keys: *mut i32) -> usize;
}

/// Work that is compiled once for each level; `run` must be inlined.
pub(in crate::draw) trait AtLevel {
    /// Its result.
    type Out;
    /// The work.
    ///
    /// # Safety
    /// The machine must have the level.
    unsafe fn run<L: Level>(self) -> Self::Out;
}

/// Arrays, which the compiler turns into the vectors of the target's baseline.
pub(in crate::draw) struct Plain;

#[inline(always)]
#[allow(clippy::inline_always)]
pub(in crate::draw) fn each<T: Copy, U: Copy, V: Default + Copy>(
    a: [T; LANES],
    b: [U; LANES],
    f: impl Fn(T, U) -> V,
) -> [V; LANES] {
    let mut out = [V::default(); LANES];
    for lane in 0..LANES {
        out[lane] = f(a[lane], b[lane]);
    }
    out
}

#[allow(clippy::inline_always)]
impl Level for Plain {
    type Int = [i32; LANES];
    type Float = [f32; LANES];

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self::Int {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<Self::Int>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut i32, x: Self::Int) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<Self::Int>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn load_rounded(from: *const f64) -> Self::Float {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<[f64; LANES]>().read_unaligned() }.map(|x| x as f32)
    }
    #[inline(always)]
    unsafe fn ints(x: i32) -> Self::Int {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn floats(x: f32) -> Self::Float {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn as_ints(x: Self::Float) -> Self::Int {
        x.map(|x| x.to_bits() as i32)
    }
    #[inline(always)]
    unsafe fn as_floats(x: Self::Int) -> Self::Float {
        x.map(|x| f32::from_bits(x as u32))
    }
    #[inline(always)]
    unsafe fn to_floats(x: Self::Int) -> Self::Float {
        x.map(|x| x as f32)
    }
    #[inline(always)]
    unsafe fn add_ints(a: Self::Int, b: Self::Int) -> Self::Int {
        each(a, b, i32::wrapping_add)
    }
    #[inline(always)]
    unsafe fn and(a: Self::Int, b: Self::Int) -> Self::Int {
        each(a, b, |a, b| a & b)
    }
    #[inline(always)]
    unsafe fn xor(a: Self::Int, b: Self::Int) -> Self::Int {
        each(a, b, |a, b| a ^ b)
    }
    #[inline(always)]
    unsafe fn shift<const BITS: i32>(x: Self::Int) -> Self::Int {
        x.map(|x| (x as u32 >> BITS) as i32)
    }
    #[inline(always)]
    unsafe fn sign(x: Self::Int) -> Self::Int {
        x.map(|x| x >> 31)
    }
    #[inline(always)]
    unsafe fn max(a: Self::Int, b: Self::Int) -> Self::Int {
        each(a, b, i32::max)
    }
    #[inline(always)]
    unsafe fn min(a: Self::Int, b: Self::Int) -> Self::Int {
        each(a, b, i32::min)
    }
    #[inline(always)]
    unsafe fn pick_if_above(x: Self::Int, y: Self::Int, a: Self::Int, b: Self::Int) -> Self::Int {
        let mask = each(x, y, |x, y| -i32::from(x > y));
        let (a, b) = (each(mask, a, |mask, a| mask & a), each(mask, b, |mask, b| !mask & b));
        each(a, b, |a, b| a | b)
    }
    #[inline(always)]
    unsafe fn count_above(count: Self::Int, x: Self::Int, y: Self::Int) -> Self::Int {
        each(count, each(x, y, |x, y| i32::from(x > y)), i32::wrapping_add)
    }
    #[inline(always)]
    unsafe fn bits_above(x: Self::Int, y: Self::Int) -> u32 {
        (0..LANES).fold(0, |bits, lane| bits | u32::from(x[lane] > y[lane]) << lane)
    }
    #[inline(always)]
    unsafe fn bits_equal(x: Self::Int, y: Self::Int) -> u32 {
        (0..LANES).fold(0, |bits, lane| bits | u32::from(x[lane] == y[lane]) << lane)
    }
    #[inline(always)]
    unsafe fn add(a: Self::Float, b: Self::Float) -> Self::Float {
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::Float, b: Self::Float) -> Self::Float {
        each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn madd(a: Self::Float, b: Self::Float, c: Self::Float) -> Self::Float {
        each(each(a, b, |a, b| a * b), c, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn nmadd(a: Self::Float, b: Self::Float, c: Self::Float) -> Self::Float {
        each(each(a, b, |a, b| a * b), c, |a, b| b - a)
    }
    #[inline(always)]
    unsafe fn compress(x: Self::Int, bits: u32, first: u32, positions: *mut u32, keys: *mut i32) -> usize {
        // SAFETY: the caller's promise.
        unsafe { compress_bits(&x, bits, first, positions, keys) }
    }
}

/// `compress` one bit after the other.
///
/// # Safety
/// Both pointers must have room for [`LANES`] values.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(in crate::draw) unsafe fn compress_bits(
    x: &[i32; LANES],
    mut bits: u32,
    first: u32,
    positions: *mut u32,
    keys: *mut i32,
) -> usize {
    let mut found = 0;
    while bits != 0 {
        let lane = bits.trailing_zeros();
        // SAFETY: at most one value for each bit, and `bits` has LANES of them.
        unsafe {
            positions.add(found).write(first + lane);
            keys.add(found).write(x[lane as usize % LANES]);
        }
        found += 1;
        bits &= bits - 1;
    }
    found
}

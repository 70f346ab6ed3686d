//! Which instruction set the kernels may use, decided once per call and passed along as a value.

#[macro_use]
mod features;
#[macro_use]
mod dispatch;

/// Instruction-set level, lowest first. Results are the same bytes at every level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust that the compiler vectorises for the target's baseline (SSE2 on x86-64, NEON on Arm).
    Portable,
    /// AVX2 and what came with it: `features.rs` has the list.
    Avx2,
    /// AVX2 with dot products of bytes on 256-bit vectors (AVX-VNNI): processors without AVX-512, and some with it.
    AvxVnni,
    /// AVX-512 F, BW, DQ and VL, and all of AVX2.
    Avx512,
    /// AVX-512 with dot products of bytes (VNNI).
    Avx512Vnni,
}

impl Isa {
    /// Every level, lowest first.
    pub const ALL: [Isa; 5] = [Isa::Portable, Isa::Avx2, Isa::AvxVnni, Isa::Avx512, Isa::Avx512Vnni];

    /// Highest level that this machine runs.
    #[must_use]
    pub fn detect() -> Self {
        Self::ALL.into_iter().rev().find(|level| level.is_supported()).unwrap_or(Isa::Portable)
    }

    /// Levels that this machine runs, lowest first.
    pub fn available() -> impl Iterator<Item = Isa> {
        Self::ALL.into_iter().filter(|level| level.is_supported())
    }

    /// Whether this machine runs this level. Levels are no chain: a machine may lack one below its highest.
    #[must_use]
    pub fn is_supported(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        match self {
            Isa::Portable => true,
            Isa::Avx2 => features::has_avx2(),
            Isa::AvxVnni => features::has_avxvnni(),
            Isa::Avx512 => features::has_avx512(),
            Isa::Avx512Vnni => features::has_avx512vnni(),
        }
        #[cfg(not(target_arch = "x86_64"))]
        return self == Isa::Portable;
    }

    /// Whether one instruction takes products of bytes and sums them in 32 bits.
    #[must_use]
    pub fn has_byte_products(self) -> bool {
        matches!(self, Isa::AvxVnni | Isa::Avx512Vnni)
    }

    /// Name used by the environment variable `HARDMINE_ISA` and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::AvxVnni => "avxvnni",
            Isa::Avx512 => "avx512",
            Isa::Avx512Vnni => "avx512vnni",
        }
    }

    /// Level of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

//! Which processor features belong to a level: the one list that detection asks for and that compiled code may use.

/// Puts the features of a level, as string literals in brackets, before the input of another macro. A level holds all of
/// the levels below it but AVX-VNNI, which processors with AVX-512 may lack; no function of the crate enables a feature
/// that its level does not list here.
macro_rules! with_features {
    (avx2 => $then:ident! { $($input:tt)* }) => {
        $then! { ["avx2" "fma" "f16c" "bmi1" "bmi2" "popcnt"] $($input)* }
    };
    (avxvnni => $then:ident! { $($input:tt)* }) => {
        $then! { ["avxvnni" "avx2" "fma" "f16c" "bmi1" "bmi2" "popcnt"] $($input)* }
    };
    (avx512 => $then:ident! { $($input:tt)* }) => {
        $then! {
            ["avx512f" "avx512bw" "avx512dq" "avx512vl" "avx2" "fma" "f16c" "bmi1" "bmi2" "popcnt"] $($input)*
        }
    };
    (avx512vnni => $then:ident! { $($input:tt)* }) => {
        $then! {
            ["avx512vnni" "avx512f" "avx512bw" "avx512dq" "avx512vl" "avx2" "fma" "f16c" "bmi1" "bmi2" "popcnt"] $($input)*
        }
    };
}

/// Whether the machine has every feature of the list.
#[cfg(target_arch = "x86_64")]
macro_rules! all_detected {
    ([$($feature:tt)*]) => { $(is_x86_feature_detected!($feature))&&* };
}

/// Whether the machine has every feature of the level.
#[cfg(target_arch = "x86_64")]
pub(super) fn has_avx2() -> bool {
    with_features!(avx2 => all_detected! {})
}

/// As [`has_avx2`].
#[cfg(target_arch = "x86_64")]
pub(super) fn has_avxvnni() -> bool {
    with_features!(avxvnni => all_detected! {})
}

/// As [`has_avx2`].
#[cfg(target_arch = "x86_64")]
pub(super) fn has_avx512() -> bool {
    with_features!(avx512 => all_detected! {})
}

/// As [`has_avx2`].
#[cfg(target_arch = "x86_64")]
pub(super) fn has_avx512vnni() -> bool {
    with_features!(avx512vnni => all_detected! {})
}

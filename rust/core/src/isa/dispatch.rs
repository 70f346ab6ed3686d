//! From the level of a call to the code of that level: the only place that knows which is called where.

/// Evaluates the expression of the level of a call: a call of a function that enables features of that level. Where
/// nothing is said of a level, it takes the one below.
macro_rules! by_isa {
    ($isa:expr, avx512: $wide:expr, avx2: $narrow:expr, portable: $plain:expr $(,)?) => {
        by_isa!($isa, avx512vnni: $wide, avx512: $wide, avxvnni: $narrow, avx2: $narrow, portable: $plain)
    };
    (
        $isa:expr, avx512vnni: $wide_dots:expr, avx512: $wide:expr, avxvnni: $dots:expr, avx2: $narrow:expr,
        portable: $plain:expr $(,)?
    ) => {{
        let isa: $crate::isa::Isa = $isa;
        debug_assert!(isa.is_supported());
        match isa {
            // SAFETY: the level of a call is one that the machine has, with every feature of it (`Execution::new` sees to
            // it).
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Avx512Vnni => unsafe { $wide_dots },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Avx512 => unsafe { $wide },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::AvxVnni => unsafe { $dots },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Avx2 => unsafe { $narrow },
            _ => $plain,
        }
    }};
}

/// One function with the features of a level, around a body of plain Rust that is inlined into it.
macro_rules! compiled {
    ([$($feature:tt)*] $level:ident $([$T:ident: $bound:path])? ($($arg:ident: $type:ty),*) [$($result:ty)?] $body:path) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature($(enable = $feature),*)]
        fn $level $(<$T: $bound>)? ($($arg: $type),*) $(-> $result)? {
            $body($($arg),*)
        }
    };
}

/// Wraps a body of plain Rust, `#[inline(always)]`, in one copy per instruction set, chosen by the first argument.
///
/// The body is integer arithmetic or floating-point `+ - * /` in a written order. Rust never fuses a multiplication and an
/// addition by itself, so the copies differ in speed alone.
macro_rules! per_isa {
    (
        $(#[$attribute:meta])*
        $vis:vis fn $name:ident $(<$T:ident: $bound:path>)? ($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? => $body:path
    ) => {
        $(#[$attribute])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name $(<$T: $bound>)? (isa: $crate::isa::Isa, $($arg: $type),*) $(-> $result)? {
            with_features!(avx512 => compiled! { avx512 $([$T: $bound])? ($($arg: $type),*) [$($result)?] $body });
            with_features!(avx2 => compiled! { avx2 $([$T: $bound])? ($($arg: $type),*) [$($result)?] $body });
            by_isa!(isa, avx512: avx512($($arg),*), avx2: avx2($($arg),*), portable: $body($($arg),*))
        }
    };
}

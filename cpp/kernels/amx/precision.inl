// From the accuracy asked for to the parts that deliver it: the entry points of the unit's
// families. bfloat16 arrays are one part as they are; the 11 bits of float16 are split as those of
// float32.

template <class T>
inline constexpr bool kOnePart = false;
template <>
inline constexpr bool kOnePart<BFloat16> = true;

// Calls step.template run<Parts>() with the parts that a problem takes.
template <class T, class Step>
static void for_parts(Precision precision, Step step) {
  if constexpr (kOnePart<T>) {
    step.template operator()<1>();
  } else if (precision == Precision::highest) {
    step.template operator()<3>();
  } else if (precision == Precision::high) {
    step.template operator()<2>();
  } else {
    step.template operator()<1>();
  }
}

template <class T>
static void pack_matrix(const void* context, Index begin, Index end, std::byte*) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  for_parts<T>(job.problem->precision,
               [&]<int Parts>() { pack_matrix_parts<T, Parts>(job, begin, end); });
}

template <class T>
static void matrix(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  for_parts<T>(job.problem->precision,
               [&]<int Parts>() { matrix_parts<T, Parts>(job, begin, end, scratch); });
}

template <class T>
static void pack_unfolded(const void* context, Index begin, Index end, std::byte*) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  for_parts<T>(job.problem->precision,
               [&]<int Parts>() { pack_unfolded_parts<T, Parts>(job, begin, end); });
}

template <class T>
static void unfolded(const void* context, Index begin, Index end, std::byte* scratch) {
  const ConvJob& job = *static_cast<const ConvJob*>(context);
  for_parts<T>(job.problem->precision,
               [&]<int Parts>() { unfolded_parts<T, Parts>(job, begin, end, scratch); });
}

template <class T>
constexpr DTypeTable matrix_table() {
  DTypeTable table{};
  table.conv[static_cast<int>(Family::matrix)] = {pack_matrix<T>, matrix<T>};
  table.conv[static_cast<int>(Family::matrix_unfolded)] = {pack_unfolded<T>, unfolded<T>};
  table.product_chain = product_chain;
  return table;
}

"""Files as real projects write them, which a parser before the preprocessor trips on."""

EXPORTED = """namespace a {
class A_EXPORT Buffer : public Base {
 public:
  A_NODISCARD int size() const {
    return n_;
  }
  A_DISALLOW_COPY(Buffer);
};

class Q_EXPORT Thing {
  Q_OBJECT
 public slots:
  void go() {
    run();
  }
};
}  // namespace a
"""
SCOPES = """namespace a {
namespace {
int f() {
  return 1;
}
}
template <typename K, class C>
int List<K, C>::Node::g() {
  return 2;
}
template <class T>
bool List<T>::operator<(const List<T>& b) {
  return true;
}
}
"""
BRANCHES = """#ifdef A
int g(int x) {
#else
int g(long x) {
#endif
  return 1;
}
BODY#ifdef B
int h() {
#endif
BODY"""
CSHARP = """class A {
#if X
  int G(int x) {
#else
  int G(long x) {
#endif
    return 1;
  }
  int H() {
    return 2;
  }
}
"""
RUBY = """begin
  require 'x'

  class XTest < Base
    def a
      1
    end
  end
rescue LoadError
  warn 'no'
end
"""
OPERATORS = """template <typename T>
struct HasCallOperator<T, void_t<decltype(&T::operator())>> {
  int a;
};
template <class T, class U>
struct Other<T, void_t<decltype(T().operator>(U()))>> {
  int b;
};
template <class T>
bool A<T>::operator<(const A& b) {
  return true;
}
template <class It>
iter_difference_t<It> Iterator<It>::operator-(const Iterator& x) {
  return 1;
}
"""
TYPEDEF = """/* Which thread. */
typedef
   struct _ThreadInfo {
      int tid;
   } ThreadInfo;
"""
# Suffix -> texts that were read wrong once.
ODDITIES = {".h": (EXPORTED, OPERATORS, TYPEDEF), ".cc": (SCOPES, BRANCHES), ".cs": (CSHARP,), ".rb": (RUBY,)}

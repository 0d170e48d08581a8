"""A file of each language, with a doc comment, a class where it has any, and code of no definition."""

SAMPLES = {
    ".js": """import x from "x";

/** doc of A */
export default class A extends B {
  #x = 1;

  /** doc of y */
  static y() {
    return 1;
  }
  get z() {
    return 2;
  }
}

// doc of f
export const f = async (a) => {
  return 1;
};
const one = () => 1;
module.exports.k = function () {
  return 2;
};
(function () {
  var q;
  function inner() {
    return q;
  }
})();
""",
    ".ts": """@dec()
export class A {
  private m(x: number): void {
  }
  abstract n(): void;
  p = () => {
    return 1;
  }
}
interface I {
  a(): void;
}
namespace N {
  export function f() {
  }
}
""",
    ".tsx": """export function App(): JSX.Element {
  return <div># x</div>;
}
""",
    ".go": """package a

// M does.
func (s *S[T]) M(x int) error {
	return nil
}

func F() {
}

type S struct {
	a int
}

type (
	A int
	B struct {
		b int
	}
)
""",
    ".rs": """use x;

/// doc
#[derive(Debug)]
pub struct S {
    a: i32,
}

impl<T> Tr for S<T> {
    /// m
    fn m(&self) {
    }
}
mod x {
    pub fn y() {
    }
}
trait Tr {
    fn m(&self);
    fn d() {
    }
}
""",
    ".java": """package a;

/** doc */
@X
public class A<T> extends B {
    int x;

    /** m */
    @Y
    public int m(int a) {
        return 1;
    }

    A() {
    }

    interface I {
        void q();
    }
}
""",
    ".cpp": """namespace a::b {
/// C
template <class T>
class C : public D {
 public:
  int m() const {
    return 1;
  }
  C() = default;
  ~C() {
  }
};
}  // namespace a::b
int a::b::x(int y) {
  return 1;
}
typedef struct {
  int z;
} T;
#ifdef X
int h() {
  return 1;
}
#endif
""",
    ".c": """#include <a.h>

/* f */
static int *f(int a)
{
    return 0;
}

struct S *g(void)
{
    return 0;
}

struct S {
    int a;
};
int h(void);
""",
    ".cs": """using X;
namespace N
{
    /// A
    [Attr]
    public class A : B
    {
        public int P { get; set; }
        public int M()
        {
            return 1;
        }
        A()
        {
        }
    }
}
""",
    ".rb": """require "x"

# M
module M
  class A < B
    attr_reader :x

    # m
    def m(a)
      1
    end

    def self.s
    end

    private def q
    end
  end
end

def top
end
""",
    ".php": """<?php
namespace A\\B;

/** C */
#[Attr]
class C extends D {
    const X = 1;

    /** m */
    public function m() {
        return 1;
    }
}

function f() {
}
""",
    ".kt": """/** A */
class A(val x: Int) : B() {
    val y = 1

    fun m(): Int {
        return 1
    }

    companion object {
        fun z() {
        }
    }
}

fun String.ext() {
}
""",
    ".swift": """import X

/// A
class A: B {
    var x = 1

    /// m
    func m() -> Int {
        return 1
    }
    init() {
    }
}

extension A {
    func q() {
    }
}
""",
    ".scala": """package a

/** A */
class A(x: Int) extends B {
  val y = 1

  /** m */
  def m: Int = {
    1
  }
}

object O {
  def y() = 1
}
""",
    ".sh": """#!/bin/sh
set -e

# f does
f() {
  echo 1
}

function g {
  echo 2
}
f
""",
    ".sql": """-- a
CREATE TABLE a (
  x int
);

-- f
CREATE FUNCTION f() RETURNS int AS $$
BEGIN
  RETURN 1;
END;
$$ LANGUAGE plpgsql;

CREATE VIEW v AS
SELECT 1;
SELECT 2;
""",
}

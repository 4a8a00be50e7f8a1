" Vim syntax file
" Language: svcc, Linux service load balancing
if exists("b:current_syntax")
  finish
endif

" Words hold what names hold, so that `vip-device` is one.
syntax iskeyword @,48-57,_,-,.,/

syntax keyword svccBlock balancer cluster defaults endpoints include let node service svcc
syntax keyword svccStatement address affinity allow-from announce check external-ip forward instance kind listen mark
syntax keyword svccStatement masquerade network nodeport-addresses nodeports one-packet pods port prefix route
syntax keyword svccStatement scheduler scheme security services snat traffic vip vip-device when-empty when-failed zone
syntax keyword svccOption max-connections backup by default draining every expect fall host insecure nodeport on per rise shared
syntax keyword svccOption registered timeout weight

syntax match svccVariable "\$[A-Za-z_][A-Za-z0-9_.-]*"
syntax match svccAddress "\<\x*[.:][0-9A-Fa-f.:]*\%(/\d\+\)\?"
syntax match svccNumber "\<\%(0x\x\+\|\d\+\%(-\d\+\)\?\%(ms\|[smhd]\)\?\)\>"
syntax match svccPort "\<\d\+\%(-\d\+\)\?/[a-z]\+\>"
syntax match svccSign "->\|="
syntax region svccString start=+"+ end=+"+ oneline
syntax match svccComment "#.*$" contains=@Spell

highlight default link svccBlock Keyword
highlight default link svccStatement Statement
highlight default link svccOption StorageClass
highlight default link svccVariable Identifier
highlight default link svccAddress Constant
highlight default link svccNumber Number
highlight default link svccPort Number
highlight default link svccSign Operator
highlight default link svccString String
highlight default link svccComment Comment

let b:current_syntax = "svcc"

autocmd BufNewFile,BufRead *.dsl setfiletype svcc

# Builds the page in WORK and writes MADE, a .cc that has its files as bytes. See page.cmake.
#
# Needs NODE, SOURCE (web/), WORK (with node_modules), INPUTS (files of SOURCE), TEMPLATE and MADE.
# What the build folder had of an earlier tree goes: a file that is not listed must not be found.
file(REMOVE_RECURSE ${WORK}/src ${WORK}/public ${WORK}/dist)
foreach(input ${INPUTS})
  configure_file(${SOURCE}/${input} ${WORK}/${input} COPYONLY)
endforeach()
foreach(step "node_modules/typescript/bin/tsc" "node_modules/vite/bin/vite.js;build")
  execute_process(COMMAND ${NODE} ${step} WORKING_DIRECTORY ${WORK} TIMEOUT 300
    RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(NOT failed STREQUAL "0")
    message(FATAL_ERROR "Building the page, ${step}: ${failed}\n${said}\n"
      "To go on without the page: cmake -DREDKNOT_PAGE=OFF")
  endif()
endforeach()

set(type_html "text/html; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_svg "image/svg+xml")

set(WEB_BYTES "")
set(WEB_FILES "")
set(count 0)
file(GLOB_RECURSE built RELATIVE ${WORK}/dist ${WORK}/dist/*)
list(SORT built)
foreach(file ${built})
  string(REGEX REPLACE ".*\\." "" ending ${file})
  if(NOT DEFINED type_${ending})
    message(FATAL_ERROR "Building the page: no content type is known for ${file}")
  endif()
  set(path /${file})
  if(file STREQUAL "index.html")
    set(path /)
  endif()
  file(READ ${WORK}/dist/${file} hex HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND WEB_BYTES "constexpr char kBytes${count}[] = {${bytes}};\n")
  string(APPEND WEB_FILES "    WebFile{\"${path}\", \"${type_${ending}}\", "
    "{kBytes${count}, sizeof(kBytes${count})}},\n")
  math(EXPR count "${count} + 1")
endforeach()
configure_file(${TEMPLATE} ${MADE} @ONLY)
file(TOUCH ${MADE})

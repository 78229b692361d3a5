# The page at `/`: web/ is built by Vite and goes into the program as bytes.
#
# REDKNOT_PAGE: AUTO, the default, builds it where npm is and finds the packages; ON fails where
# they are missing; OFF builds a server that says at `/` that it has no page.
set(REDKNOT_PAGE AUTO CACHE STRING "Build the page at / (needs npm): AUTO, ON or OFF")
set_property(CACHE REDKNOT_PAGE PROPERTY STRINGS AUTO ON OFF)

set(page_source ${PROJECT_SOURCE_DIR}/web)
set(page_work ${PROJECT_BINARY_DIR}/web)
set(page_inputs
  index.html
  package-lock.json
  package.json
  public/icon.svg
  src/answer.ts
  src/chat_request.ts
  src/chat_view.ts
  src/conversation.ts
  src/documents.ts
  src/documents_view.ts
  src/elements.ts
  src/head_map.ts
  src/head_map_view.ts
  src/main.ts
  src/numbers.ts
  src/pace.ts
  src/page.css
  src/server.ts
  src/server_sent_events.ts
  src/status.ts
  src/status_poll.ts
  src/tab_storage.ts
  src/token_bar.ts
  src/vite-env.d.ts
  tsconfig.json
  vite.config.js
)
set(page_tests
  src/answer.test.ts
  src/chat_request.test.ts
  src/documents.test.ts
  src/head_map.test.ts
  src/pace.test.ts
  src/server_sent_events.test.ts
  src/status.test.ts
  src/status_poll.test.ts
)

# Sets REDKNOT_HAS_PAGE: whether the packages are installed that build it.
function(redknot_find_page_tools)
  set(REDKNOT_HAS_PAGE FALSE CACHE INTERNAL "The page is built")
  if(NOT REDKNOT_PAGE STREQUAL "AUTO" AND NOT REDKNOT_PAGE)
    return()
  endif()
  find_program(REDKNOT_NPM npm)
  find_program(REDKNOT_NODE NAMES node nodejs)
  if(REDKNOT_NPM AND REDKNOT_NODE)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page_source}/package-lock.json)
    execute_process(
      COMMAND ${CMAKE_COMMAND} -D NPM=${REDKNOT_NPM} -D SOURCE=${page_source} -D WORK=${page_work}
        -P ${PROJECT_SOURCE_DIR}/cmake/npm_ci.cmake
      RESULT_VARIABLE failed ERROR_VARIABLE why)
  else()
    set(failed 1)
    set(why "npm and node were not found.")
  endif()
  if(failed STREQUAL "0")
    set(REDKNOT_HAS_PAGE TRUE CACHE INTERNAL "The page is built")
    return()
  endif()
  string(CONCAT how "The page at / cannot be built:\n${why}\n"
    "Install npm (Debian: nodejs npm) and check that it reaches its registry, or go on without the "
    "page: cmake -DREDKNOT_PAGE=OFF")
  if(REDKNOT_PAGE STREQUAL "AUTO")
    message(WARNING "${how}")
  else()
    message(FATAL_ERROR "${how}")
  endif()
endfunction()

# Adds to `target` the files of the page, or none: see src/server/web_files.h.
function(redknot_page target)
  set(made ${CMAKE_CURRENT_BINARY_DIR}/web_files.cc)
  set(inputs ${page_inputs} ${page_tests})
  set(outside ${inputs})
  list(TRANSFORM outside PREPEND ${page_source}/)
  set(make ${PROJECT_SOURCE_DIR}/cmake/page_files.cmake)
  set(template ${CMAKE_CURRENT_SOURCE_DIR}/web_files.cc.in)
  if(REDKNOT_HAS_PAGE)
    add_custom_command(OUTPUT ${made}
      COMMAND ${CMAKE_COMMAND} -D NODE=${REDKNOT_NODE} -D SOURCE=${page_source} -D WORK=${page_work}
        -D "INPUTS=${inputs}" -D TEMPLATE=${template} -D MADE=${made} -P ${make}
      DEPENDS ${outside} ${template} ${make} COMMENT "Building the page at /" VERBATIM)
    add_custom_target(page DEPENDS ${made})
  else()
    set(WEB_BYTES "")
    set(WEB_FILES "")
    configure_file(${template} ${made} @ONLY)
  endif()
  target_sources(${target} PRIVATE ${made})
endfunction()

redknot_find_page_tools()

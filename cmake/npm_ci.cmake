# Installs the packages that SOURCE/package-lock.json names into WORK/node_modules, unless they are
# there already. Needs NPM, SOURCE and WORK; fails with what npm said.
file(MAKE_DIRECTORY ${WORK})
set(stamp ${WORK}/node_modules/.installed)
file(SHA256 ${SOURCE}/package-lock.json lock)
if(EXISTS ${stamp})
  file(READ ${stamp} installed)
  if(installed STREQUAL lock)
    return()
  endif()
endif()

configure_file(${SOURCE}/package.json ${WORK}/package.json COPYONLY)
configure_file(${SOURCE}/package-lock.json ${WORK}/package-lock.json COPYONLY)
execute_process(
  COMMAND ${NPM} ci --no-audit --no-fund --ignore-scripts --prefer-offline --engine-strict
    --fetch-retries=2 --fetch-timeout=60000
  WORKING_DIRECTORY ${WORK} TIMEOUT 300
  RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(NOT failed STREQUAL "0")
  message(FATAL_ERROR "npm ci in ${WORK}: ${failed}\n${said}")
endif()
file(WRITE ${stamp} ${lock})

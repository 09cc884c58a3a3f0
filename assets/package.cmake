# What is installed, and the Debian package: cmake --build build/release --target package.
include(GNUInstallDirs)

set(WEFT_ZSH_DIR "${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions" CACHE STRING "Where zsh looks for completions")
set(WEFT_SYSTEMD_DIR "lib/systemd/system" CACHE STRING "Where systemd looks for units")

# One table in the program prints its help, its manual and its completions; here they become files.
set(generated ${PROJECT_BINARY_DIR}/generated)
set(run_weft ${CMAKE_COMMAND} -E env HOME=${generated} XDG_CONFIG_HOME=${generated} XDG_STATE_HOME=${generated}
    $<TARGET_FILE:weft>)
add_custom_command(
  OUTPUT ${generated}/weft.1.gz ${generated}/weft.bash ${generated}/_weft ${generated}/weft.fish
  COMMAND ${CMAKE_COMMAND} -E make_directory ${generated}
  COMMAND ${run_weft} man > ${generated}/weft.1
  COMMAND gzip -9nf ${generated}/weft.1
  COMMAND ${run_weft} completions bash > ${generated}/weft.bash
  COMMAND ${run_weft} completions zsh > ${generated}/_weft
  COMMAND ${run_weft} completions fish > ${generated}/weft.fish
  DEPENDS weft
  VERBATIM)
add_custom_target(weft_generated ALL DEPENDS ${generated}/weft.1.gz)

set(doc ${CMAKE_INSTALL_DATADIR}/doc/weft)
install(FILES ${generated}/weft.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${generated}/weft.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME weft)
install(FILES ${generated}/weft.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES ${generated}/_weft DESTINATION ${WEFT_ZSH_DIR})
install(FILES assets/weft-relay.service DESTINATION ${WEFT_SYSTEMD_DIR})
install(FILES LICENSE DESTINATION ${doc} RENAME copyright)
install(FILES README.md DESTINATION ${doc} OPTIONAL)
install(DIRECTORY assets/doc/ DESTINATION ${doc} FILES_MATCHING PATTERN "*.md")
install(DIRECTORY assets/proxy DESTINATION ${doc}/examples)
install(FILES assets/config.json DESTINATION ${doc}/examples)

set(CPACK_GENERATOR DEB)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_PACKAGE_CONTACT "the weft authors <weft@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION editors)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# libwebsockets opens its libuv loop, which carries the relay, by name at run time, where shlibdeps cannot see it.
if(UV_FOUND)
  set(CPACK_DEBIAN_PACKAGE_DEPENDS libwebsockets-evlib-uv)
endif()
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ncurses-term")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "git")
string(CONCAT CPACK_DEBIAN_PACKAGE_DESCRIPTION
  "weft opens files like nano does. `weft share FILE` lets others in by a link:\n"
  "no account, and the relay between cannot read the text. If the connection\n"
  "drops, typing goes on; all of it is kept on this machine and merged when the\n"
  "connection is back. Undo takes back only what one typed oneself.")
include(CPack)
